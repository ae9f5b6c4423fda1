// says: epic: deliver() takes the call of another entity's method
#include <epic/epic.hpp>

class Account : public epic::Entity {
  std::int64_t cents_ = 0;
  epic::Task<> book() { co_return; }

 public:
  epic::Task<void> pay() {
    epic::deliver(book());
    co_return;
  }
  EPIC_ENTITY(Account, state(cents_), methods(pay))
};
EPIC_MODULE(epic::no_setup, Account)
