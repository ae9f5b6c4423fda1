// says: a timer's method must take its parameters by value
#include <epic/epic.hpp>

class Match : public epic::Entity {
  epic::Task<void> begin_round(const std::string&) { co_return; }

 public:
  epic::Task<void> on_activate() override {
    epic::after(std::chrono::seconds(1), &Match::begin_round, "first");
    co_return;
  }
  EPIC_ENTITY(Match, transient)
};
EPIC_MODULE(epic::no_setup, Match)
