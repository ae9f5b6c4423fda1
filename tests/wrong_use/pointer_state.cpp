// says: no pointers and no references
#include <epic/epic.hpp>

class Player : public epic::Entity {
  int* score_ = nullptr;

 public:
  EPIC_ENTITY(Player, state(score_))
};
EPIC_MODULE(epic::no_setup, Player)
