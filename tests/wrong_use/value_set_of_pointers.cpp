// says: epic: the order of std::unique_ptr is that of addresses, which differ on every run
#include <epic/epic.hpp>

class Player : public epic::Entity {
  std::set<std::pair<int, std::unique_ptr<int>>> items_;

 public:
  EPIC_ENTITY(Player, state(items_))
};
EPIC_MODULE(epic::no_setup, Player)
