// says: epic: a function cannot be an argument, a result or state, because another process does not have it; use data,
// and a method of an entity that acts on it
#include <epic/epic.hpp>

class Player : public epic::Entity {
  void (*value_)() = nullptr;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
