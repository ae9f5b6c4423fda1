// says: a method that broadcast calls must take parameters that can be copied
#include <epic/epic.hpp>

class User : public epic::Entity {
 public:
  epic::Task<> on_post(std::unique_ptr<int> number) { co_return; }
  EPIC_ENTITY(User, methods(on_post))
};
epic::Task<> use(std::vector<epic::Ref<User>> all) {
  epic::broadcast(all, &User::on_post, std::make_unique<int>(5));
  co_return;
}
