// says: epic: a described struct cannot have const members, because they are set when it is decoded
#include <epic/epic.hpp>

struct Position {
  const int row = 0;
};
BOOST_DESCRIBE_STRUCT(Position, (), (row))

class Player : public epic::Entity {
  Position at_;

 public:
  EPIC_ENTITY(Player, state(at_))
};
EPIC_MODULE(epic::no_setup, Player)
