// says: must take its parameters by value
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> rename(const std::string&) { co_return; }
  EPIC_ENTITY(Player, methods(rename))
};
EPIC_MODULE(epic::no_setup, Player)
