// says: on_end of async_call takes the epic::CallResult of what the call returns
#include <epic/client.hpp>
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<int> score() const { co_return 0; }
  EPIC_ENTITY(Player, methods(score))
};

void look(const epic::Client& client) {
  client.async_call(client.get<Player>("Bob")->score(), [](const epic::CallResult<std::string>&) {});
}
