// says: for an epic::Event, await its wait()
#include <epic/epic.hpp>

class Match : public epic::Entity {
  epic::Event over;

 public:
  epic::Task<void> play() { co_await over; }
  EPIC_ENTITY(Match, transient, methods(play))
};
EPIC_MODULE(epic::no_setup, Match)
