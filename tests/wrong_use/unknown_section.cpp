// says: epic: EPIC_ENTITY has no such section: states(score). The sections are base(Class), state(members...)
#include <epic/epic.hpp>

class Player : public epic::Entity {
  int score = 0;

 public:
  epic::Task<int> get_score() const { co_return score; }
  EPIC_ENTITY(Player, states(score), methods(get_score))
};
EPIC_MODULE(epic::no_setup, Player)
