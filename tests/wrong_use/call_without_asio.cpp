// says: the second argument of call is epic::ClientCallOptions, or a completion token of Asio's: for that, include
// <epic/client_asio.hpp>
#include <epic/client.hpp>
#include <epic/epic.hpp>

class Player : public epic::Entity {
 public:
  epic::Task<int> score() const { co_return 0; }
  EPIC_ENTITY(Player, methods(score))
};

struct UseAwaitable {};  // as boost::asio::use_awaitable

void look(const epic::Client& client) { client.call(client.get<Player>("Bob")->score(), UseAwaitable()); }
