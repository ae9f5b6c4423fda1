// says: these are not the parameters of the timer's method
#include <epic/epic.hpp>

class Match : public epic::Entity {
  epic::Task<void> begin_round(int) { co_return; }

 public:
  epic::Task<void> on_activate() override {
    epic::after(std::chrono::seconds(1), &Match::begin_round, "first", 2);
    co_return;
  }
  EPIC_ENTITY(Match, transient)
};
EPIC_MODULE(epic::no_setup, Match)
