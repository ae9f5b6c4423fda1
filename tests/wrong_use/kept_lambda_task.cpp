// says: will be destroyed at the end of the full-expression
#include <epic/epic.hpp>

class Player : public epic::Entity {
  int level = 0;

 public:
  epic::Task<void> play() {
    auto task = [this]() -> epic::Task<void> {
      ++level;
      co_return;
    }();
    co_await task;
  }
  EPIC_ENTITY(Player, transient, methods(play))
};
EPIC_MODULE(epic::no_setup, Player)
