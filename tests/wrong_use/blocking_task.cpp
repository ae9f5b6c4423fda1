// says: what runs in blocking cannot await or call entities
#include <epic/epic.hpp>

class Shelf : public epic::Entity {
 public:
  epic::Task<> wait() {
    co_await epic::blocking([]() -> epic::Task<> { co_await epic::sleep(std::chrono::seconds(1)); });
  }
  EPIC_ENTITY(Shelf, methods(wait))
};
EPIC_MODULE(epic::no_setup, Shelf)
