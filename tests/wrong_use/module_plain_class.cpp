// says: epic: EPIC_MODULE lists Player, which has no EPIC_ENTITY(Player, ...) at the end of its class
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> move(int) { co_return; }
};
EPIC_MODULE(epic::no_setup, Player)
