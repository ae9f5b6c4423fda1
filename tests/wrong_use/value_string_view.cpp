// says: epic: a std::string_view cannot be an argument, a result or state, because its text belongs to something else;
// use std::string
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::vector<std::string_view> value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
