// says: a class with local(n) has no shards, as its calls run on the nodes of their callers: leave out together(...)
#include <epic/epic.hpp>

class Room : public epic::Entity {
 public:
  epic::Task<void> open() { co_return; }
  EPIC_ENTITY(Room, methods(open))
};

class Resizer : public epic::Entity {
 public:
  epic::Task<int> resize() { co_return 1; }
  EPIC_ENTITY(Resizer, methods(resize), together(Room), local(8))
};
EPIC_MODULE(epic::no_setup, Room, Resizer)
