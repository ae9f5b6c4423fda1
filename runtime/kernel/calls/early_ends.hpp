#pragma once
// EarlyEnds: ends executions before their time.
//
// An entity that is to leave memory waits for its calls, but not for what it runs for itself: a task that it has
// spawned and that no call waits for may loop for ever. So when only such tasks are left (and the calls that they make
// to their own entity), they are cancelled: the co_await at which one stands throws epic::Cancelled, and the task
// unwinds as by any exception, turn by turn, with its changes saved. One that is about to resume gets it at its next
// co_await. A task that has not begun never does. What still runs kUnwindTimeout later, one of them or what it has
// spawned, is aborted.
//
// To abort an execution is to destroy its frame where it is suspended. Its destructors run, in a last turn, so what
// they change is saved, too. Its caller gets an error that names it.
//
// Cost:     while tasks hold up a stop, at most every kTasksLook, one look through the table of calls and one through
//           the frames that wait for something else; both the looks and the endings are done in slices.
// Not here: when an entity is to leave (activations/), executions whose changes must not be kept
//           (Activations::discard).

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernel/activations/activation_table.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/calls/parked_frames.hpp"

namespace epic::kernel {

class EarlyEnds {
 public:
  EarlyEnds(Scheduler& scheduler, ActivationTable& table, const CallWords& words, Calls& calls, ParkedFrames& parked,
            Syscalls& syscalls)
      : scheduler_(scheduler), table_(table), words_(words), calls_(calls), parked_(parked), syscalls_(syscalls) {}

  /// The activation is to leave, but something of it runs. Called whenever one of its calls has ended.
  void watch(const Activation& activation);
  /// Destroys the frames of these executions; what had not begun does not run.
  void abort(std::span<const RecordRef> executions, const std::string& reason);
  void abort_all(const std::string& reason);

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

 private:
  enum class Phase : std::uint8_t { idle, looking, counting, waking, cancelling };
  /// The executions that run, or are to run, in an activation that is to leave.
  struct Seen {
    std::vector<RecordRef> tasks;    // for its lone tasks; empty once they are counted
    std::vector<RecordRef> unbegun;  // of them
    std::size_t counted = 0;
    std::uint64_t begun = 0;
    std::size_t cancelled = 0;
    bool has_calls = false;  // something else
    bool is_known = false;   // by an earlier look, to have only tasks
  };
  /// A call that an execution there waits for.
  struct Awaited {
    RecordRef call;
    bool was_cancelled;  // it may be of one of the tasks itself
  };
  void look();
  [[nodiscard]] bool begin_look();
  [[nodiscard]] Seen* find_leaving(const Activation* activation);
  void see(Record& record);
  [[nodiscard]] bool count_some();
  [[nodiscard]] bool has_only_tasks(ActivationId id, const Seen& seen);
  [[nodiscard]] Seen* find_task_to_end(const Record& record);
  [[nodiscard]] bool wake_some();
  [[nodiscard]] bool cancel_some();
  [[nodiscard]] bool cancel(Awaited awaited);
  void end_cancelling();
  void abort_unwinding();

  Scheduler& scheduler_;
  ActivationTable& table_;
  const CallWords& words_;
  Calls& calls_;
  ParkedFrames& parked_;
  Syscalls& syscalls_;
  std::set<ActivationId> watched_;  // for the next look
  std::set<ActivationId> known_;    // of those, the ones that have only tasks
  std::int64_t next_look_ns_ = 0;
  Phase phase_ = Phase::idle;
  CallTable::Look look_;
  std::map<ActivationId, Seen> leaving_;                         // in this look
  std::deque<RecordRef> unbegun_;                                // tasks that never do
  std::deque<Awaited> awaited_;                                  // to be cut short, if their callers are tasks to end
  ParkedFrames::Place woken_;                                    // up to which frames have been looked at
  std::deque<std::pair<std::int64_t, ActivationId>> unwinding_;  // by when their tasks should have ended
  std::set<ActivationId> late_;                                  // of those whose time is over, in this look
  CallTable::Look late_look_;
  std::int64_t reports_from_ns_ = INT64_MIN / 2;
  std::size_t reported_ = 0;  // interrupted calls, in the second since then
};

}  // namespace epic::kernel
