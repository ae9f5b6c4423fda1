#pragma once
// TurnCounter: counts turns in one atomic, which other threads and the supervisor may read at any time.

#include <atomic>
#include <cstdint>

namespace epic::io {

/// Execution thread.
class TurnCounter {
 public:
  /// Counts in `counter`, which outlives this.
  explicit TurnCounter(std::atomic<std::uint64_t>& counter) : counter_(counter) {}
  TurnCounter(const TurnCounter&) = delete;
  TurnCounter& operator=(const TurnCounter&) = delete;

  void begin() { counter_.store(++turn_ * 2 + 1, std::memory_order_relaxed); }
  void end() { counter_.store(turn_ * 2, std::memory_order_relaxed); }

  /// Any thread. Odd: within a turn.
  [[nodiscard]] std::uint64_t count() const { return counter_.load(std::memory_order_relaxed); }

 private:
  std::uint64_t turn_ = 0;
  std::atomic<std::uint64_t>& counter_;
};

}  // namespace epic::io
