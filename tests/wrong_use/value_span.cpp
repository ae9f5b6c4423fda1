// says: epic: a std::span cannot be an argument, a result or state, because its elements belong to something else; use
// std::vector
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::span<int> value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
