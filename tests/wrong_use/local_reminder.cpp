// says: an entity of a class with local(n) has no reminders, because nothing of it is saved
#include <epic/epic.hpp>

class Resizer : public epic::Entity {
 public:
  epic::Task<> clean() { co_return; }
  epic::Task<> resize() {
    epic::remind("clean", std::chrono::hours(1), &Resizer::clean);
    co_return;
  }
  EPIC_ENTITY(Resizer, methods(clean, resize), local(8))
};
