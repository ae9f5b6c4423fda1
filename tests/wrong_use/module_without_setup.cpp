// says: epic: the first argument of EPIC_MODULE must be a function epic::Task<void>(epic::Pool), not Player; without
// a setup it is epic::no_setup
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  EPIC_ENTITY(Player)
};
EPIC_MODULE(Player)
