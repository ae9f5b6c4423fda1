// says: an entity class must derive from epic::Entity
#include <epic/epic.hpp>

class Player {
 public:
  EPIC_ENTITY(Player)
};
EPIC_MODULE(epic::no_setup, Player)
