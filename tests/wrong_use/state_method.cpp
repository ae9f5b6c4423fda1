// says: epic: state(...) must list data members that are not static; methods belong in methods(...)
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> move(int) { co_return; }
  EPIC_ENTITY(Player, state(move))
};
EPIC_MODULE(epic::no_setup, Player)
