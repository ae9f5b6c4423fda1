#pragma once
// RegisterCallers: clients that keep reading and replacing the values of registers, and record when each operation
// began and ended, and with which result.
//
// The histories are to be linearizable (support/linearizability.hpp). What has not started, by its error, must have had
// no effect; any other failure is of unknown outcome. The times at which operations succeeded also say how long a
// register could not be used.
//
// A register's history is short, so that it can be decided: after some operations its place is taken by another.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "support/linearizability.hpp"

namespace epic::test {

class RegisterCallers {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kPlaces = 64;

  /// Each client has at most one operation under way at each place, and begins one every `pace`.
  RegisterCallers(std::vector<Client> clients, std::uint64_t seed, std::chrono::milliseconds pace);
  /// Waits until every operation has ended, for a minute at most.
  void finish();

  [[nodiscard]] std::uint64_t succeeded() const { return succeeded_; }
  [[nodiscard]] std::string counts() const;
  /// At every place an operation has succeeded that began after `time`.
  [[nodiscard]] bool have_all_succeeded_since(TimePoint time) const;
  /// When the newest operation of that client began that has succeeded.
  [[nodiscard]] TimePoint newest_begun_of(std::size_t client) const;
  /// The longest time between two successes at one place, of those that lie in part between the two times; what lies
  /// before `from` does not count.
  [[nodiscard]] std::chrono::milliseconds longest_gap(TimePoint from, TimePoint to) const;
  /// After finish(). What is wrong.
  [[nodiscard]] std::vector<std::string> judge() const;

 private:
  struct Place {
    std::vector<std::vector<CellOperation>> histories = {{}};  // of one register after the other
    std::vector<TimePoint> successes = {};
    TimePoint newest_begun = {};     // of those that have succeeded
    std::uint64_t acknowledged = 0;  // in the newest history
  };
  /// Of one operation, until it ends.
  struct Begun {
    std::size_t client;
    std::size_t place;
    std::size_t history;
    CellOperation operation;
    TimePoint time;
  };

  void run(std::uint64_t seed, const std::stop_token& stop);
  void begin(std::size_t client, std::size_t place, bool is_read);
  void on_end(Begun begun, CallResult<std::int64_t> result);
  void record(const Begun& begun, std::optional<std::int64_t> result);

  std::chrono::milliseconds pace_;
  TimePoint epoch_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  std::array<Place, kPlaces> places_;
  std::vector<TimePoint> newest_begun_;  // by client, of those that have succeeded
  std::vector<std::string> violations_;
  std::vector<std::array<std::atomic<bool>, kPlaces>> is_under_way_;  // for each client
  std::atomic<std::int64_t> last_value_ = 0;                          // each is written once
  std::atomic<std::uint64_t> under_way_ = 0;
  std::atomic<std::uint64_t> succeeded_ = 0;
  std::atomic<std::uint64_t> unknown_ = 0;
  std::atomic<std::uint64_t> not_started_ = 0;
  std::atomic<std::int64_t> longest_overrun_ms_ = 0;  // of a deadline
  std::vector<Client> clients_;                       // after what their callbacks use
  std::jthread thread_;
};

/// Leaves out the writes of unknown outcome whose values nobody has seen: each value is written once, so they explain
/// nothing, and a history without them is decided sooner.
[[nodiscard]] std::vector<CellOperation> without_unseen(const std::vector<CellOperation>& history);

}  // namespace epic::test
