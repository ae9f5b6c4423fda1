// says: epic: a reminder's method must be one that is listed in methods(...) of EPIC_ENTITY
#include <epic/epic.hpp>

class Room : public epic::Entity {
  std::int64_t posts_ = 0;

 public:
  void post() { ++posts_; }
  epic::Task<void> open() {
    epic::remind("digest", std::chrono::hours(24), &Room::post);
    co_return;
  }
  EPIC_ENTITY(Room, state(posts_), methods(open))
};
EPIC_MODULE(epic::no_setup, Room)
