// says: an entity class derives from epic::Entity
#include <epic/epic.hpp>

class Player {
 public:
  EPIC_ENTITY(Player)
};
EPIC_MODULE(epic::no_setup, Player)
