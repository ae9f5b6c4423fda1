// says: a method that broadcast calls must take parameters that can be copied
#include <epic/epic.hpp>

class User : public epic::Entity {
 public:
  epic::Task<> on_posts(std::vector<std::unique_ptr<int>> numbers) { co_return; }
  EPIC_ENTITY(User, methods(on_posts))
};
epic::Task<> use(std::vector<epic::Ref<User>> all) {
  co_await epic::broadcast(all, &User::on_posts, std::vector<std::unique_ptr<int>>());
}
