// says: a timer's method must return epic::Task<...>
#include <epic/epic.hpp>

class Match : public epic::Entity {
  void tick() {}

 public:
  epic::Task<void> on_activate() override {
    epic::every(std::chrono::seconds(1), &Match::tick);
    co_return;
  }
  EPIC_ENTITY(Match, transient)
};
EPIC_MODULE(epic::no_setup, Match)
