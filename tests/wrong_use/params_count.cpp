// says: must name every parameter of the method, each exactly once
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> move(int, int) { co_return; }
  EPIC_ENTITY(Player, methods(move), params(move, x))
};
EPIC_MODULE(epic::no_setup, Player)
