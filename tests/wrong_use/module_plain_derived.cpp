// says: epic: EPIC_MODULE lists Wizard, which has no EPIC_ENTITY(Wizard, ...) at the end of its class
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  EPIC_ENTITY(Player)
};
class Wizard : public Player {};
EPIC_MODULE(epic::no_setup, Player, Wizard)
