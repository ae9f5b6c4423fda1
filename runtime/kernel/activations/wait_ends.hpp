#pragma once
// WaitEnds: what becomes of the calls that have waited for an activation, by slices.
//
// Once it is active they enter it; if it cannot be activated they fail; if it leaves memory before they have entered
// they are routed anew. They may be tens of thousands, so a tick does that for a bounded number of them. The others
// stay in line in the activation, and what comes meanwhile waits behind them. So one that has left memory keeps its
// place in the table (State::gone) until its line is empty.
//
// Invariant: calls leave a line in the order in which they came.
// Not here:  when an activation is active or gone (activations.cpp), what entering and routing are (calls.cpp).

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <vector>

#include "kernel/activations/activation_table.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class WaitEnds {
 public:
  class Listener {
   public:
    /// The activation is active or gone, and no call waits in its line any longer.
    virtual void on_line_empty(Activation& activation) = 0;

   protected:
    ~Listener() = default;
  };

  WaitEnds(ActivationTable& table, Calls& calls, Listener& listener)
      : table_(table), calls_(calls), listener_(listener) {}

  /// The activation is active or gone: the calls in its line go on. on_line_empty() may be called at once.
  void let_go(Activation& activation);
  /// `observed`: the reason may mention what the activation has observed.
  void fail(std::vector<RecordRef> calls, CommitNumber observed, std::exception_ptr failure);
  /// For another activation, which takes the place of one that is gone.
  [[nodiscard]] std::vector<RecordRef> take_line(Activation& activation);
  /// The kernel ends; all executions have been destroyed.
  void clear() {
    going_.clear();
    failing_.clear();
  }

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return going_.empty() && failing_.empty() ? std::nullopt : std::optional(std::int64_t{0});
  }

 private:
  struct Failing {
    std::vector<RecordRef> calls;
    std::size_t failed = 0;
    CommitNumber observed;
    std::exception_ptr why;
  };
  void go_on();
  void fail_some(Failing& failing);
  void empty_some(ActivationId id);

  ActivationTable& table_;
  Calls& calls_;
  Listener& listener_;
  std::deque<ActivationId> going_;  // by turns
  std::deque<RecordRef> in_hand_;   // the first of the line whose turn it is
  ActivationId whose_turn_;
  std::deque<Failing> failing_;
  std::size_t entries_left_ = limits::kEnteredPerTick;  // in this tick
  std::size_t ends_left_ = limits::kEndedPerTick;
  bool is_going_on_ = false;
};

}  // namespace epic::kernel
