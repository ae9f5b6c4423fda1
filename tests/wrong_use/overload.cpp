// says: must not be overloaded
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> move(int) { co_return; }
  epic::Task<void> move(std::string) { co_return; }
  EPIC_ENTITY(Player, methods(move))
};
EPIC_MODULE(epic::no_setup, Player)
