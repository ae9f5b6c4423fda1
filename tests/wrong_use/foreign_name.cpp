// says: calling a private constructor of class 'epic::Ref<Wallet>'
#include <epic/epic.hpp>

class Wallet : public epic::Entity {
 public:
  epic::Task<void> open() { co_return; }
  EPIC_ENTITY(Wallet, transient, methods(open))
};
class Player : public epic::Entity {
 public:
  epic::Task<epic::Ref<Wallet>> wallet() { co_return epic::Ref<Wallet>(self().epic_name()); }
  EPIC_ENTITY(Player, transient, methods(wallet))
};
EPIC_MODULE(epic::no_setup, Wallet, Player)
