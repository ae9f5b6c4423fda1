// says: what runs in blocking returns a value
#include <epic/epic.hpp>

class Shelf : public epic::Entity {
  std::string title_;

 public:
  epic::Task<std::string> read() {
    co_return co_await epic::blocking([this]() -> const std::string& { return title_; });
  }
  EPIC_ENTITY(Shelf, methods(read))
};
EPIC_MODULE(epic::no_setup, Shelf)
