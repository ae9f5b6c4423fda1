// says: epic: each call that waits for a Promise gets a copy of its result
#include <epic/epic.hpp>

class Match : public epic::Entity {
  epic::Promise<std::unique_ptr<std::string>> winner;

 public:
  epic::Task<std::string> watch() { co_return *co_await winner; }
  EPIC_ENTITY(Match, transient, methods(watch))
};
EPIC_MODULE(epic::no_setup, Match)
