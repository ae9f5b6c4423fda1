// says: is_call_of<&Player::move, epic::detail::Takes<int, Room>, epic::detail::Gets<const char *, int>>'
#include <epic/epic.hpp>

struct Room {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(Room, (), (number))

namespace arena {
class Player : public epic::Entity {
 public:
  epic::Task<int> move(int, Room) { co_return 0; }
  EPIC_ENTITY(Player, methods(move))
};
}  // namespace arena
epic::Task<int> move(epic::Ref<arena::Player> player) { co_return co_await player->move("up", 1); }
