// says: epic: these are not the parameters of the reminder's method
#include <epic/epic.hpp>

class Room : public epic::Entity {
  std::int64_t posts_ = 0;

 public:
  epic::Task<void> post(std::string text) {
    posts_ += static_cast<std::int64_t>(text.size());
    co_return;
  }
  epic::Task<void> open() {
    epic::remind("digest", std::chrono::hours(24), std::chrono::hours(24), &Room::post, 7, 8);
    co_return;
  }
  EPIC_ENTITY(Room, state(posts_), methods(post, open))
};
EPIC_MODULE(epic::no_setup, Room)
