// says: epic: an array without elements cannot be a value; leave it out
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::array<int, 0> value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
