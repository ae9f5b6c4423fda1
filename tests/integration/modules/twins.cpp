// Two classes with one name, which every node refuses.

#include <epic/epic.hpp>

namespace left {
class Twin : public epic::Entity {
 public:
  epic::Task<void> go() { co_return; }
  EPIC_ENTITY(Twin, methods(go))
};
}  // namespace left

namespace right {
class Twin : public epic::Entity {
 public:
  epic::Task<void> go() { co_return; }
  EPIC_ENTITY(Twin, methods(go))
};
}  // namespace right

EPIC_MODULE(epic::no_setup, left::Twin, right::Twin)
