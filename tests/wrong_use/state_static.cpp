// says: epic: state(...) must list data members that are not static; methods belong in methods(...)
#include <epic/epic.hpp>

class Player : public epic::Entity {
  static inline int count_ = 0;

 public:
  EPIC_ENTITY(Player, state(count_))
};
EPIC_MODULE(epic::no_setup, Player)
