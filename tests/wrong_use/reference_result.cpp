// says: epic: a Task returns a value, not a reference
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::string name;

 public:
  epic::Task<const std::string&> get_name() const { co_return name; }
  EPIC_ENTITY(Player, state(name), methods(get_name))
};
EPIC_MODULE(epic::no_setup, Player)
