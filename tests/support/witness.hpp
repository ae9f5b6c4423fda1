#pragma once
// Witness: records what clients of the ledger were acknowledged, and checks whether the ledger agrees at the end.
//
// A change that a client was acknowledged or shown, as the n-th change of an account by some activation, must be there
// at the end, made by that activation: otherwise it was lost, or another activation made its own n-th change. No client
// may be shown less than what was acknowledged before it asked.

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "integration/modules/ledger.hpp"

namespace epic::test {

class Witness {
 public:
  explicit Witness(std::size_t accounts) : accounts_(accounts) {}

  /// How many changes of it have been told or shown so far; before a question.
  [[nodiscard]] std::int64_t known_changes(std::size_t account) const;

  void on_added(std::size_t account, ledger::Stamp stamp);
  void on_transferred(std::size_t account, ledger::Stamp stamp);
  /// `known`: of known_changes(), before it asked; 0 where a stale answer is possible by design.
  void on_shown(std::size_t account, ledger::Stamp stamp, std::int64_t known);
  /// It may have been added or not.
  void on_unknown(std::size_t account);
  /// An end that should not have been.
  void on_violation(std::string what);

  [[nodiscard]] std::uint64_t acknowledged() const;
  [[nodiscard]] std::uint64_t unknown() const;

  /// True if no message is on its way any more.
  [[nodiscard]] static bool is_settled(const std::vector<ledger::Books>& books);
  /// After every outbox is empty, and every message has arrived. `books`: of each account. Sentences; empty: all is
  /// well.
  [[nodiscard]] std::vector<std::string> judge(const std::vector<ledger::Books>& books) const;

 private:
  struct Account {
    std::vector<ledger::Stamp> acknowledged;
    std::int64_t added = 0;
    std::int64_t unknown = 0;
    std::int64_t shown = 0;  // the most changes that anybody was shown
  };
  void judge(std::size_t number, const ledger::Books& books, std::vector<std::string>& violations) const;

  mutable std::mutex mutex_;
  std::vector<Account> accounts_;
  std::vector<std::string> violations_;
};

}  // namespace epic::test
