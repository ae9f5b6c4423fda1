// says: epic: a timer's method must take parameters that can be copied
#include <epic/epic.hpp>

class Match : public epic::Entity {
 public:
  epic::Task<void> tick(std::unique_ptr<int>) { co_return; }
  epic::Task<void> on_activate() override {
    epic::after(std::chrono::seconds(1), &Match::tick, std::make_unique<int>(1));
    co_return;
  }
  EPIC_ENTITY(Match, methods(tick))
};
EPIC_MODULE(epic::no_setup, Match)
