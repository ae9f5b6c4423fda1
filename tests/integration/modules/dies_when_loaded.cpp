// A module that kills the process that loads it.

#include <cstdlib>
#include <epic/epic.hpp>

namespace {

class Nobody : public epic::Entity {
 public:
  epic::Task<void> rest() { co_return; }
  EPIC_ENTITY(Nobody, methods(rest))
};

const int kDeath = [] {
  std::abort();
  return 0;
}();

}  // namespace

EPIC_MODULE(epic::no_setup, Nobody)
