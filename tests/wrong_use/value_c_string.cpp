// says: epic: a pointer cannot be an argument, a result or state, because what it points to stays in its process; use
// std::unique_ptr or std::optional for a value that may be missing, epic::Ref for an entity, std::string for text
#include <epic/epic.hpp>

class Player : public epic::Entity {
  const char* value_ = nullptr;

 public:
  EPIC_ENTITY(Player, state(value_))
};
EPIC_MODULE(epic::no_setup, Player)
