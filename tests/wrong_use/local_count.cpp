// says: local(n) takes the number of instances that a key may have on each node: from 1 to 256
#include <epic/epic.hpp>

class Resizer : public epic::Entity {
 public:
  epic::Task<int> resize() { co_return 1; }
  EPIC_ENTITY(Resizer, methods(resize), local(0))
};
EPIC_MODULE(epic::no_setup, Resizer)
