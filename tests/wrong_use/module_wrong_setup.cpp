// says: epic: the first argument of EPIC_MODULE must be a function epic::Task<void>(epic::Pool), not prepare
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  EPIC_ENTITY(Player)
};
void prepare() {}
EPIC_MODULE(prepare, Player)
