// says: epic: an array of C cannot be an argument, a result or state; use std::array
#include <epic/epic.hpp>

class Player : public epic::Entity {
  int value_[3] = {};

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
