// says: epic: a time of this clock cannot be an argument, a result or state, because it means something else on another
// machine or after a restart; use std::chrono::system_clock::time_point, or a duration
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::optional<std::chrono::steady_clock::time_point> value_;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
