// says: is_call_of<&Player::move, epic::detail::Takes<int>, epic::detail::Gets<>>': epic: these are not the method's
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<int> move(int) const { co_return 0; }
  EPIC_ENTITY(Player, methods(move))
};
epic::Task<int> move(epic::Ref<Player> player) { co_return co_await player->move(); }
