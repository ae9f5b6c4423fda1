#include "account.hpp"

#include <stdexcept>

#include "cents.hpp"

namespace {

void check_amount(std::int64_t cents) {
  if (cents <= 0) throw std::invalid_argument(fmt::format("{} cents cannot be sent", cents));
}

}  // namespace

// What a method throws ends its turn, but undoes nothing. So each method checks first, and changes afterwards.

epic::Task<std::int64_t> Account::transfer(epic::Ref<Account> to, std::int64_t cents) {
  check_amount(cents);
  check_open();
  if (cents > books.balance)
    throw std::runtime_error(fmt::format("{} has {} cents, too few to send {}", self().name(), books.balance, cents));

  books.balance -= cents;
  books.sent += cents;  // never more than was received
  epic::deliver(to->deposit(cents, today));
  co_return books.balance;
}

epic::Task<void> Account::deposit(std::int64_t cents, std::int64_t day_sent) {
  check_amount(cents);
  check_open();
  book_receipt(cents, day_sent);
  co_return;
}

epic::Task<void> Account::open(std::int64_t cents, std::int64_t day_sent) {
  if (status != Status::unknown) throw std::logic_error(fmt::format("{} was opened before", self().name()));
  book_receipt(cents, day_sent);
  status = Status::open;
  co_return;
}

epic::Task<void> Account::close() {
  check_open();
  if (books.balance != 0) throw std::runtime_error(fmt::format("{} still has {} cents", self().name(), books.balance));
  status = Status::closed;
  co_return;
}

epic::Task<void> Account::reopen() {
  if (status != Status::closed) throw std::runtime_error(fmt::format("{} is not closed", self().name()));
  status = Status::open;
  co_return;
}

epic::Task<bool> Account::refund(std::string message, std::int64_t cents) {
  check_amount(cents);
  if (refunded.contains(message)) co_return false;
  if (cents > books.sent)
    throw std::runtime_error(fmt::format("{} has sent {} cents in all", self().name(), books.sent));

  refunded.insert(std::move(message));
  books.balance += cents;  // never more than was received
  books.sent -= cents;
  co_return true;
}

epic::Task<Books> Account::close_day(std::int64_t day) {
  if (day + 1 < today) throw std::logic_error(fmt::format("day {} was closed before day {}", day, today - 1));
  begin_day(day + 1);
  co_return closing;
}

epic::Task<std::int64_t> Account::get_balance() const { co_return books.balance; }

epic::Task<Books> Account::get_books() const { co_return books; }

void Account::check_open() const {
  if (status != Status::open)
    throw std::runtime_error(
        fmt::format("{} {}", self().name(), status == Status::closed ? "is closed" : "was never opened"));
}

void Account::begin_day(std::int64_t day) {
  if (day <= today) return;
  closing = books;
  today = day;
}

void Account::book_receipt(std::int64_t cents, std::int64_t day_sent) {
  const std::int64_t received = add_cents(books.received, cents);
  begin_day(day_sent);
  books.received = received;
  books.balance += cents;  // never more than was received
}
