// says: a class with local(n) has several instances of a key, on every node, so it has no state(...)
#include <epic/epic.hpp>

class Worker : public epic::Entity {
 protected:
  int count = 0;
  EPIC_ENTITY(Worker, state(count))
};
class Resizer : public Worker {
 public:
  epic::Task<int> resize() { co_return ++count; }
  EPIC_ENTITY(Resizer, base(Worker), methods(resize), local(8))
};
EPIC_MODULE(epic::no_setup, Resizer)
