// says: describe it with BOOST_DESCRIBE_STRUCT
#include <epic/epic.hpp>

struct Position {
  int x = 0;
};
class Player : public epic::Entity {
  Position position_;

 public:
  EPIC_ENTITY(Player, state(position_))
};
EPIC_MODULE(epic::no_setup, Player)
