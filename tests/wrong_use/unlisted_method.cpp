// says: no member named 'get_score' in 'Player::MethodsListedInEpicEntity'
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<void> move(int) { co_return; }
  epic::Task<int> get_score() const { co_return 0; }
  EPIC_ENTITY(Player, methods(move))
};
epic::Task<int> ask(epic::Ref<Player> player) { co_return co_await player->get_score(); }
