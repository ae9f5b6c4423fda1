// says: epic: this string cannot be an argument, a result or state; use std::string
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::u16string value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
