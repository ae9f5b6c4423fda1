// says: a class with local(n) has several instances of a key, on every node, so it has no state(...)
#include <epic/epic.hpp>

class Resizer : public epic::Entity {
  int count = 0;

 public:
  epic::Task<int> resize() { co_return ++count; }
  EPIC_ENTITY(Resizer, state(count), methods(resize), local(8))
};
EPIC_MODULE(epic::no_setup, Resizer)
