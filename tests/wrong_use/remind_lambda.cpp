// says: epic: a reminder calls a method of the entity's own class
#include <epic/epic.hpp>

class Room : public epic::Entity {
  std::int64_t posts_ = 0;

 public:
  epic::Task<void> open() {
    epic::remind("digest", std::chrono::hours(24), [this] { ++posts_; });
    co_return;
  }
  EPIC_ENTITY(Room, state(posts_), methods(open))
};
EPIC_MODULE(epic::no_setup, Room)
