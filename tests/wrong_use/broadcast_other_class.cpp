// says: broadcast calls a method of the class that the Refs name
#include <epic/epic.hpp>

class User : public epic::Entity {
 public:
  epic::Task<> on_post() { co_return; }
  EPIC_ENTITY(User, methods(on_post))
};
class Room : public epic::Entity {
 public:
  epic::Task<> close() { co_return; }
  EPIC_ENTITY(Room, methods(close))
};
epic::Task<> use(std::vector<epic::Ref<Room>> rooms) {
  epic::broadcast(rooms, &User::on_post);
  co_return;
}
