// says: call to implicitly-deleted copy constructor of 'epic::File'
#include <epic/epic.hpp>

class Diary : public epic::Entity {
  epic::File file_;

 public:
  epic::Task<> share() {
    epic::File other = file_;
    co_await other.write("mine");
  }
  EPIC_ENTITY(Diary, methods(share))
};
EPIC_MODULE(epic::no_setup, Diary)
