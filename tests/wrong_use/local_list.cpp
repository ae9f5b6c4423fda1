// says: list takes a class whose entities are placed: one with local(n) has instances on every node
#include <epic/epic.hpp>

class Resizer : public epic::Entity {
 public:
  epic::Task<int> resize() { co_return 1; }
  EPIC_ENTITY(Resizer, methods(resize), local(8))
};
epic::Task<> use() { co_await epic::list<Resizer>(); }
