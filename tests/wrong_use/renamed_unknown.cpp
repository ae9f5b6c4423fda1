// says: gives an old name to a member that is described
#include <epic/epic.hpp>

struct Position {
  int x = 0;
};
BOOST_DESCRIBE_STRUCT(Position, (), (x))
EPIC_RENAMED(Position, (col, column))

class Player : public epic::Entity {
  Position position_;

 public:
  EPIC_ENTITY(Player, state(position_))
};
EPIC_MODULE(epic::no_setup, Player)
