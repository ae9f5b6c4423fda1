// says: epic: a std::unique_ptr to an array, or with its own deleter, cannot be an argument, a result or state; use
// std::vector, or std::unique_ptr<T>
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::unique_ptr<int[]> value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
