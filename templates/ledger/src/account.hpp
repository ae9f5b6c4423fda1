#pragma once
// Account: keeps money, and sends it to other accounts.
//
// A transfer is a message. epic::deliver stores it in the same commit as the sender's new balance, and removes it in
// the same commit as the receiver's. So a cent is on exactly one account, or under way to one, whatever crashes. A
// deposit that the receiver refuses becomes a dead letter (`epic outbox`): still under way, until it is retried or
// refunded.
//
// An account can add up only what it has sent and received itself. For the sum over all of them there are days: the
// bank begins a new one to audit the last. Each message says on which day it was sent, and an account that is a day
// behind closes its own first. So the closing balances of all accounts agree about what was under way, although nothing
// stops and no two accounts close their day at the same moment (Lai and Yang, On distributed snapshots, 1987).

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <set>
#include <string>

enum class Status : std::uint8_t { unknown, open, closed };
BOOST_DESCRIBE_ENUM(Status, unknown, open, closed)

/// In cents. The balance is what was received, less what was sent.
struct Books {
  std::int64_t balance = 0;
  std::int64_t received = 0;  // in all, the opening deposit included
  std::int64_t sent = 0;      // in all, less what was refunded
};
BOOST_DESCRIBE_STRUCT(Books, (), (balance, received, sent))

class Account : public epic::Entity {
  Status status = Status::unknown;
  Books books;
  std::int64_t today = 1;
  Books closing;                   // the books as they were when `today` began
  std::set<std::string> refunded;  // messages that were refunded, by their ids

 public:
  /// Sends `cents` to another account, and returns the new balance. Throws, and changes nothing, if the account is not
  /// open or has less. Whether the receiver takes the money is not known yet.
  epic::Task<std::int64_t> transfer(epic::Ref<Account> to, std::int64_t cents);

  /// The other end of a transfer, to be sent as a message: a plain call would make money out of nothing.
  epic::Task<void> deposit(std::int64_t cents, std::int64_t day_sent);

  /// The bank's message to a new account.
  epic::Task<void> open(std::int64_t cents, std::int64_t day_sent);
  /// Only an empty account can be closed.
  epic::Task<void> close();
  epic::Task<void> reopen();

  /// Takes back money that was sent in a message which `epic outbox drop` has removed. Once per message: false if that
  /// has been done.
  epic::Task<bool> refund(std::string message, std::int64_t cents);

  /// The books at the end of that day, which ends now unless it has already.
  epic::Task<Books> close_day(std::int64_t day);

  epic::Task<std::int64_t> get_balance() const;
  epic::Task<Books> get_books() const;

  EPIC_ENTITY(Account, state(status, books, today, closing, refunded),
              methods(transfer, deposit, open, close, reopen, refund, close_day, get_balance, get_books))

 private:
  void check_open() const;
  void begin_day(std::int64_t day);
  void book_receipt(std::int64_t cents, std::int64_t day_sent);
};
