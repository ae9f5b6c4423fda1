// says: this cannot be awaited in an entity
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> wait() { co_await std::suspend_always(); }
  EPIC_ENTITY(Player, methods(wait))
};
EPIC_MODULE(epic::no_setup, Player)
