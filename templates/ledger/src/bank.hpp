#pragma once
// Bank: opens accounts, and adds everything up. There is one, Bank/main: all money comes from it.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <set>
#include <vector>

#include "account.hpp"

/// The end of a day. In cents, but for the number of accounts.
struct Audit {
  std::int64_t day = 0;
  std::int64_t accounts = 0;
  std::int64_t issued = 0;     // what the bank has ever sent to new accounts
  std::int64_t balances = 0;   // what is on all accounts
  std::int64_t under_way = 0;  // what was sent and not received: messages that wait, and dead letters
  bool is_right = false;       // balances and under_way make up what was issued, and neither is negative
};
BOOST_DESCRIBE_STRUCT(Audit, (), (day, accounts, issued, balances, under_way, is_right))

class Bank : public epic::Entity {
  std::set<epic::Ref<Account>> accounts;
  std::int64_t issued = 0;
  std::int64_t today = 1;

 public:
  /// Opens an account with this much money, by a message to it. False, without any change, if it has been opened
  /// before.
  epic::Task<bool> open(epic::Ref<Account> account, std::int64_t cents);

  /// Ends the day and adds up its closing balances. Exclusive, so that days end one after another.
  epic::Task<Audit> audit();

  EPIC_ENTITY(Bank, state(accounts, issued, today), exclusive(audit), methods(open))

 private:
  epic::Task<std::vector<Books>> close_day_of(std::vector<epic::Ref<Account>> page, std::int64_t day);
};
