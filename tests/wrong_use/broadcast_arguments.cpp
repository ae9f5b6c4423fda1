// says: these are not the parameters of the method that broadcast calls
#include <epic/epic.hpp>

class User : public epic::Entity {
 public:
  epic::Task<> on_post(std::string text) { co_return; }
  EPIC_ENTITY(User, methods(on_post))
};
epic::Task<> use(std::vector<epic::Ref<User>> all) {
  static_cast<void>(epic::broadcast(all, &User::on_post, 5));
  co_return;
}
