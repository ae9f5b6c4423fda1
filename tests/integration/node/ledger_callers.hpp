#pragma once
// LedgerCallers, KeyedCallers: clients of the ledger that keep calling, for the crash tests, and what they were
// acknowledged.
//
// Each thread has one of the clients. What the fabric does to calls while they run is judged as it comes, the rest at
// the end, in peace.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/ledger.hpp"
#include "support/witness.hpp"

namespace epic::test {

struct CallerOptions {
  std::chrono::milliseconds pause{0};  // of a thread, between two calls
  /// A call without a key may come to its deadline, and is then of unknown outcome. Otherwise that is a violation.
  bool may_time_out = false;
};

/// Threads that keep changing and reading random accounts, and record the acknowledged answers.
class LedgerCallers {
 public:
  LedgerCallers(std::vector<Client> clients, std::uint64_t seed, CallerOptions options = {});
  void finish() { threads_.clear(); }

  [[nodiscard]] const Witness& witness() const { return witness_; }
  /// The time that a call took until it was answered or failed.
  [[nodiscard]] std::chrono::milliseconds longest_wait() const { return std::chrono::milliseconds(longest_wait_ms_); }
  /// After finish(): waits until every message has arrived, and checks all books. The last fault may not be over yet.
  [[nodiscard]] std::vector<std::string> judge() const;

 private:
  void run(const Client& client, std::uint64_t seed, const std::stop_token& stop);
  void call_once(const Client& client, std::mt19937_64& random);
  void note_wait(std::chrono::nanoseconds wait);

  std::vector<Client> clients_;
  CallerOptions options_;
  Witness witness_;
  std::atomic<std::int64_t> longest_wait_ms_{0};
  std::vector<std::jthread> threads_;
};

/// Threads that make calls with idempotency keys, and make them again: their effects and answers are to be those of one
/// call.
class KeyedCallers {
 public:
  KeyedCallers(std::vector<Client> clients, std::uint64_t seed, CallerOptions options = {});
  void finish() { threads_.clear(); }

  [[nodiscard]] std::string counts() const;
  /// Repeats every call once more, in peace, and looks at what they have done. What is wrong.
  [[nodiscard]] std::vector<std::string> judge();

 private:
  struct Key {
    std::string name;
    std::size_t account = 0;
    std::int64_t wait_ms = 0;
    std::optional<ledger::Stamp> answer = {};
    bool is_interrupted = false;
  };

  void run(const Client& client, std::uint64_t seed, std::uint64_t number, const std::stop_token& stop);
  bool call(const Client& client, Key& key);
  std::map<std::string, ledger::Payment> look(std::size_t account);
  void note(std::string violation);

  std::vector<Client> clients_;
  CallerOptions options_;
  std::mutex mutex_;
  std::vector<Key> keys_;
  std::vector<std::string> violations_;
  std::atomic<std::uint64_t> calls_ = 0;
  std::atomic<std::uint64_t> interrupted_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace epic::test
