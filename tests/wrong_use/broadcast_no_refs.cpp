// says: broadcast takes a range of Refs
#include <epic/epic.hpp>

class User : public epic::Entity {
 public:
  epic::Task<> on_post() { co_return; }
  EPIC_ENTITY(User, methods(on_post))
};
epic::Task<> use(std::vector<std::string> names) {
  epic::broadcast(names, &User::on_post);
  co_return;
}
