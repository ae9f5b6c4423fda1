#include "support/witness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epic::test {

using ledger::Books;
using ledger::Reign;
using ledger::Stamp;

std::int64_t Witness::known_changes(std::size_t account) const {
  const std::lock_guard lock(mutex_);
  return accounts_[account].shown;
}

void Witness::on_transferred(std::size_t account, Stamp stamp) {
  const std::lock_guard lock(mutex_);
  accounts_[account].acknowledged.push_back(stamp);
  accounts_[account].shown = std::max(accounts_[account].shown, stamp.change);
}

void Witness::on_added(std::size_t account, Stamp stamp) {
  on_transferred(account, stamp);
  const std::lock_guard lock(mutex_);
  ++accounts_[account].added;
}

void Witness::on_shown(std::size_t account, Stamp stamp, std::int64_t known) {
  const std::lock_guard lock(mutex_);
  if (stamp.change < known)
    violations_.push_back(
        fmt::format("Account/{} was shown with {} changes after {} were acknowledged", account, stamp.change, known));
  accounts_[account].shown = std::max(accounts_[account].shown, stamp.change);
  if (stamp.change > 0) accounts_[account].acknowledged.push_back(stamp);
}

void Witness::on_unknown(std::size_t account) {
  const std::lock_guard lock(mutex_);
  ++accounts_[account].unknown;
}

void Witness::on_violation(std::string what) {
  const std::lock_guard lock(mutex_);
  violations_.push_back(std::move(what));
}

std::uint64_t Witness::acknowledged() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Account& account : accounts_) sum += account.acknowledged.size();
  return sum;
}

std::uint64_t Witness::unknown() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Account& account : accounts_) sum += static_cast<std::uint64_t>(account.unknown);
  return sum;
}

bool Witness::is_settled(const std::vector<Books>& books) {
  std::int64_t under_way = 0;
  for (const Books& one : books) under_way += one.sent - one.received;
  return under_way <= 0;
}

std::vector<std::string> Witness::judge(const std::vector<Books>& books) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> violations = violations_;
  std::int64_t sum = 0;
  std::int64_t sent = 0;
  std::int64_t received = 0;
  for (std::size_t number = 0; number < books.size(); ++number) {
    sum += books[number].balance;
    sent += books[number].sent;
    received += books[number].received;
    judge(number, books[number], violations);
  }
  if (sent != received) violations.push_back(fmt::format("{} messages were sent, and {} received", sent, received));
  const std::int64_t expected = static_cast<std::int64_t>(books.size()) * ledger::kOpeningBalance;
  if (sum != expected) violations.push_back(fmt::format("the balances add up to {} instead of {}", sum, expected));
  return violations;
}

void Witness::judge(std::size_t number, const Books& books, std::vector<std::string>& violations) const {
  const Account& account = accounts_[number];
  if (books.count < account.added || books.count > account.added + account.unknown)
    violations.push_back(fmt::format("Account/{} has counted {}; {} were acknowledged, {} are unknown", number,
                                     books.count, account.added, account.unknown));
  if (books.misdelivered > 0)
    violations.push_back(fmt::format("Account/{} has received {} messages that were not the next of their sender",
                                     number, books.misdelivered));
  if (account.shown > books.changes)
    violations.push_back(
        fmt::format("Account/{} was shown with {} changes but has {}", number, account.shown, books.changes));
  for (const Stamp& stamp : account.acknowledged) {
    const auto next =
        std::ranges::upper_bound(books.reigns, stamp.change, {}, [](const Reign& reign) { return reign.first_change; });
    const std::int64_t maker = next == books.reigns.begin() ? 0 : std::prev(next)->activation;
    if (stamp.change > books.changes || maker != stamp.activation)
      violations.push_back(fmt::format(
          "Account/{}: change {} was acknowledged by activation {:x} but {}", number, stamp.change, stamp.activation,
          stamp.change > books.changes ? std::string("is missing")
                                       : fmt::format("was made by activation {:x}", maker)));
  }
}

}  // namespace epic::test
