// Calls that copies may answer (Ref::cached): how they go on when one has, and when the call that they have shared
// ends.

#include <exception>
#include <optional>

#include "kernel/calls/calls.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

/// A copy has ended the call before it began. Its caller's turn goes on, but like other calls that end in place it has
/// a bound: without one, code that asks until it gets another answer would never let time go on.
std::coroutine_handle<> Calls::go_on_answered(Record& record, detail::Waiter& waiter) {
  Observations::observe(scheduler_.current, CommitNumber{record.observed});
  if (scheduler_.direct_calls_left > 0) {
    --scheduler_.direct_calls_left;
    return waiter.handle;
  }
  end_turn();
  waiter.execution = scheduler_.current;
  scheduler_.queue.push_resume(waiter);
  scheduler_.current = nullptr;
  return std::noop_coroutine();
}

void Calls::settle_shared() {
  for (std::size_t i = 0; i < limits::kSharedPerRun; ++i) {
    const std::optional<Copies::Shared> next = copies_.take_shared();
    if (!next) return;
    Record& record = *next->record;
    if (record.state != Record::State::sharing) continue;  // it has stopped waiting
    const Copies::Outcome& outcome = *next->outcome;
    if (outcome.failure) {
      fail(record, outcome.failure);
    } else if (outcome.copy == nullptr) {
      ask_anew(record);
    } else {
      try {
        record.cached_part()->take_from(*outcome.copy);
      } catch (...) {
        fail(record, std::current_exception());
        continue;
      }
      record.observed = std::max(record.observed, outcome.observed.value);
      receive_result(record);
    }
  }
}

/// The first of them makes a request, which the others share.
void Calls::ask_anew(Record& record) {
  record.state = Record::State::queued;
  if (copies_.try_answer(record)) return receive_result(record);
  if (!copies_.share(record)) static_cast<void>(route(RecordRef::share(record)));
}

}  // namespace epic::kernel
