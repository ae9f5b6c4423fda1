#pragma once
// Reaper: ends what still runs of instances that must not be kept, by slices.
//
// Nothing of such an instance may run again, not even for a last turn: what it would change is wrong, or another node's
// by now. So from reap() on its activation is in State::reaping. Calls that come wait in it, and what is to be resumed
// of it is dropped (Calls). Its executions may be tens of thousands: a tick destroys a bounded number of their frames,
// and when none is left, `on_end` decides what becomes of the activation. Its calls that have not started are spared:
// they wait in it then, before all others, for the entity's next instance.
//
// Not here: executions that end before their time, but whose changes are kept (early_ends.hpp).

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "kernel/activations/activation_table.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class Reaper {
 public:
  /// `has_caller`: a caller that waited for a change of the instance has got the failure.
  using OnEnd = std::function<void(Activation& activation, bool has_caller)>;

  Reaper(Scheduler& scheduler, ActivationTable& table, Calls& calls)
      : scheduler_(scheduler), table_(table), calls_(calls) {}

  /// A caller that waits for one of its executions gets the failure. `on_end` may run at once.
  void reap(Activation& activation, std::exception_ptr failure, OnEnd on_end);
  /// The kernel ends; all executions have been destroyed.
  void clear() { doomed_.clear(); }

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return doomed_.empty() ? std::nullopt : std::optional(std::int64_t{0});
  }

 private:
  struct Doomed {
    std::exception_ptr failure;
    OnEnd on_end;
    EntityLock lock;                // no longer passed on
    std::vector<RecordRef> spared;  // calls that have not started
    bool has_caller = false;
    bool is_in_look = false;
  };
  void go_on();
  void see(Record& record);
  void end(Record& record, const std::exception_ptr& failure);
  void end_those_seen();

  Scheduler& scheduler_;
  ActivationTable& table_;
  Calls& calls_;
  std::map<ActivationId, Doomed> doomed_;
  CallTable::Look look_;
  std::size_t visits_left_ = limits::kLookSlice;  // in this tick
  std::size_t ends_left_ = limits::kEndedPerTick;
  bool is_going_on_ = false;
};

}  // namespace epic::kernel
