// says: epic: a std::string_view cannot be an argument, a result or state, because its text belongs to something else;
// use std::string
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> rename(std::string_view) { co_return; }
  EPIC_ENTITY(Player, methods(rename))
};
EPIC_MODULE(epic::no_setup, Player)
