#pragma once
// EarlyEnds: ends executions before their time.
//
// An entity that is to leave memory waits for its calls, but not for what it runs for itself: a task that it has
// spawned and that no call waits for may loop for ever. So when only such tasks are left (and the calls that they make
// to their own entity), they are cancelled: the co_await at which one stands throws epic::Cancelled, and the task
// unwinds as by any exception, turn by turn, with its changes saved. A task that has not begun never does. What still
// runs kUnwindPatience later, one of them or what it has spawned, is aborted.
//
// To abort an execution is to destroy its frame where it is suspended. Its destructors run, in a last turn, so what
// they change is saved, too. Its caller gets an error that names it.
//
// Cost:     one look through the table of calls and the sleepers, at most every kTasksLook, while tasks hold up a stop.
// Not here: when an entity is to leave (activations/), executions whose changes must not be kept
// (Activations::discard).

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "kernel/activations/activation_table.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/calls/timers.hpp"

namespace epic::kernel {

class EarlyEnds {
 public:
  EarlyEnds(Execution& execution, ActivationTable& table, const CallWords& words, Calls& calls, Timers& timers,
            Syscalls& syscalls)
      : execution_(execution), table_(table), words_(words), calls_(calls), timers_(timers), syscalls_(syscalls) {}

  /// The activation is to leave, but something of it runs. Called whenever one of its calls has ended.
  void watch(const Activation& activation);
  /// Destroys the frames of the executions that are meant; what had not begun does not run.
  void abort(const std::string& reason, const std::function<bool(const Record&)>& is_meant);

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

 private:
  using Executions = std::unordered_set<const Record*>;
  void look();
  void cancel(const Executions& tasks);
  void abort_unwinding();

  Execution& execution_;
  ActivationTable& table_;
  const CallWords& words_;
  Calls& calls_;
  Timers& timers_;
  Syscalls& syscalls_;
  std::set<ActivationId> watched_;
  std::int64_t next_look_ns_ = 0;
  std::deque<std::pair<std::int64_t, std::vector<ActivationId>>> unwinding_;  // by when their tasks should have ended
};

}  // namespace epic::kernel
