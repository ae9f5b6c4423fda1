#pragma once
// Collector: deactivates what has been idle for long and, over the memory budget, the least recently used.
//
// It counts the memory of the instances that are to stay, and looks at a slice of them at a time, in the order of
// IdleQueue. A use costs nothing. What it cannot count (members that are not listed, calls, messages) is in the
// driver's measurement of the whole node, if there is one. How much of that one deactivation frees is known only
// afterwards: so as many are stopped as would be enough if all were of average size, and then it is measured again.
//
// Not here: how an activation is deactivated (activations.hpp).

#include <cstdint>
#include <optional>

#include "kernel/activations/idle_queue.hpp"
#include "kernel/clock.hpp"

namespace epic::kernel {

class Collector {
 public:
  class Listener {
   public:
    /// True if the activation is idle and need not stay in memory.
    [[nodiscard]] virtual bool may_collect(const Activation& activation) const = 0;
    /// True if an activation that was stopped is still in memory.
    [[nodiscard]] virtual bool is_any_leaving() const = 0;
    virtual void stop(Activation& activation, StopCause cause) = 0;

   protected:
    ~Listener() = default;
  };
  struct Limits {
    std::int64_t idle_age_ns = 0;
    std::uint64_t memory_bytes = 0;  // 0: none
  };

  Collector(Limits limits, const Clock& clock, const ActivationTable& table, Listener& listener)
      : limits_(limits), clock_(clock), table_(table), queue_(table), listener_(listener) {}

  /// The activation is active, and may be collected from now on.
  void add(Activation& activation) { queue_.add(activation, clock_.now_ns); }
  /// The activation is about to leave memory.
  void remove(Activation& activation);
  /// Counts the instance's memory as it is now.
  void measure(Activation& activation);

  /// In use by the whole node just now.
  void on_memory(std::uint64_t bytes);
  void on_time();
  [[nodiscard]] std::int64_t next_timer_ns() const { return next_look_ns_; }
  /// The memory of the instances that are not about to leave.
  [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  [[nodiscard]] bool is_over_budget() const {
    return limits_.memory_bytes > 0 && (memory_bytes_ > limits_.memory_bytes || to_stop_ > 0);
  }
  [[nodiscard]] bool may_plan() const { return clock_.now_ns >= next_plan_ns_ || !listener_.is_any_leaving(); }
  [[nodiscard]] bool is_measured_over_budget() const {
    return limits_.memory_bytes > 0 && measured_bytes_ > limits_.memory_bytes;
  }
  void plan();

  Limits limits_;
  const Clock& clock_;
  const ActivationTable& table_;
  IdleQueue queue_;
  Listener& listener_;
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t measured_bytes_ = 0;
  std::uint64_t to_stop_ = 0;  // planned
  std::int64_t next_plan_ns_ = 0;
  std::int64_t next_look_ns_ = 0;
};

}  // namespace epic::kernel
