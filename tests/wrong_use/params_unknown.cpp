// says: must exist
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> move(int) { co_return; }
  EPIC_ENTITY(Player, methods(move), params(mvoe, x))
};
EPIC_MODULE(epic::no_setup, Player)
