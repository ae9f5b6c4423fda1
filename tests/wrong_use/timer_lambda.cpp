// says: a timer calls a method of the entity's own class
#include <epic/epic.hpp>

class Match : public epic::Entity {
  int ticks = 0;

 public:
  epic::Task<void> on_activate() override {
    epic::every(std::chrono::seconds(1), [this] { ++ticks; });
    co_return;
  }
  EPIC_ENTITY(Match, transient)
};
EPIC_MODULE(epic::no_setup, Match)
