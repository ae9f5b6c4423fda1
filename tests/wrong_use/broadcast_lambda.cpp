// says: broadcast calls a method that is listed in methods(...) of EPIC_ENTITY
#include <epic/epic.hpp>

class User : public epic::Entity {
 public:
  epic::Task<> on_post(std::string text) { co_return; }
  EPIC_ENTITY(User, methods(on_post))
};
epic::Task<> use(std::vector<epic::Ref<User>> all) {
  epic::broadcast(all, [](const epic::Ref<User>& one) { return one->on_post("news"); });
  co_return;
}
