// says: epic: a const member cannot be state, because it changes when the entity is loaded
#include <epic/epic.hpp>

class Player : public epic::Entity {
  const int lives_ = 3;

 public:
  EPIC_ENTITY(Player, state(lives_))
};
EPIC_MODULE(epic::no_setup, Player)
