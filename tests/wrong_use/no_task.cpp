// says: must return epic::Task<...>
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  int score() { return 1; }
  EPIC_ENTITY(Player, methods(score))
};
EPIC_MODULE(epic::no_setup, Player)
