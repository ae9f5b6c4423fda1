// says: epic: deliver() takes the call itself
#include <epic/epic.hpp>

class Account : public epic::Entity {
  std::int64_t cents_ = 0;

 public:
  epic::Task<void> deposit(std::int64_t cents) {
    cents_ += cents;
    co_return;
  }
  epic::Task<void> pay(epic::Ref<Account> to) {
    auto call = to->deposit(5);
    epic::deliver(call);
    co_return;
  }
  EPIC_ENTITY(Account, state(cents_), methods(deposit, pay))
};
EPIC_MODULE(epic::no_setup, Account)
