// says: epic: methods(...) and exclusive(...) must list member functions that are not static
#include <epic/epic.hpp>

class Player : public epic::Entity {
  int score_ = 0;

 public:
  EPIC_ENTITY(Player, methods(score_))
};
EPIC_MODULE(epic::no_setup, Player)
