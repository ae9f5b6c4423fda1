// says: the new name must be a described member of the struct
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
