// says: epic: a std::shared_ptr cannot be an argument, a result or state, because its copies in other processes would
// not share; use std::unique_ptr, or an entity that all have an epic::Ref to
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::map<std::string, std::shared_ptr<int>> value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
