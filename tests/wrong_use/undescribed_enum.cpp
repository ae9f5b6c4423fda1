// says: describe this enum with BOOST_DESCRIBE_ENUM
#include <epic/epic.hpp>

enum class Team { red, blue };
class Player : public epic::Entity {
  Team team_ = Team::red;

 public:
  EPIC_ENTITY(Player, state(team_))
};
EPIC_MODULE(epic::no_setup, Player)
