// says: epic: an epic::File cannot be an argument, a result or state, because only this process has it open; keep its
// path, open it in on_activate, and do not list the File in state(...)
#include <epic/epic.hpp>

class Diary : public epic::Entity {
  std::optional<epic::File> file_;

 public:
  EPIC_ENTITY(Diary, state(file_))
};
EPIC_MODULE(epic::no_setup, Diary)
