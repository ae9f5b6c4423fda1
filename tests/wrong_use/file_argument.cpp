// says: epic: an epic::File cannot be an argument, a result or state
#include <epic/epic.hpp>

class Printer : public epic::Entity {
 public:
  epic::Task<std::string> print(epic::File file) { co_return co_await file.read(100); }
  EPIC_ENTITY(Printer, methods(print))
};
EPIC_MODULE(epic::no_setup, Printer)
