#include "kernel/calls/cancellations.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/limits.hpp"

namespace epic::kernel {

void Cancellations::cancel(Record& call) {
  const Record* const caller = uses_.scheduler.current;
  cancel(call, caller == nullptr ? "its caller" : uses_.words.describe(*caller));
}

void Cancellations::cancel(Record& call, const std::string& by) {
  if (call.state == Record::State::ended) return;
  const RecordRef kept = RecordRef::share(call);
  const bool is_elsewhere = call.state == Record::State::sent;
  if (is_elsewhere) uses_.sends.send(call.site->sent_to, CancelMessage{call.site->id});
  uses_.calls.fail(call, ErrorCode::cancelled,
                   fmt::format("{} was cancelled by {}{}", uses_.words.describe(call), by,
                               is_elsewhere || call.has_run ? "; it may have taken effect" : " before it began"));
  if (!call.has_run || !call.is_listed || call.cancel != Record::Cancel::no) return;
  call.cancel = Record::Cancel::asked;
  running_.push_back(kept);
  uses_.scheduler.has_cancelled_calls = true;
}

void Cancellations::on_time() {
  look();
  uses_.scheduler.has_cancelled_calls = !running_.empty() || !sought_.empty();
}

void Cancellations::look() {
  if (phase_ == Phase::idle && !begin_look()) return;
  if (phase_ == Phase::looking) {
    std::size_t visits_left = limits::kLookSlice;
    if (!look_.go_on(visits_left, [this](Record& record) { see(record); })) return;
    phase_ = Phase::waking;
  }
  if (phase_ == Phase::waking) {
    if (!wake_some()) return;
    phase_ = Phase::cancelling;
  }
  if (cancel_some()) end_look();
}

/// False: there is nothing to look for now.
bool Cancellations::begin_look() {
  if ((running_.empty() && asked_.empty()) || uses_.scheduler.now_ns < next_look_ns_) return false;
  next_look_ns_ = uses_.scheduler.now_ns +
                  std::max<std::int64_t>(limits::kTasksLook.count(), static_cast<std::int64_t>(uses_.calls.size()) *
                                                                         limits::kTasksLookPerCall.count());
  for (RecordRef& one : std::exchange(running_, {}))
    if (one->is_listed && one->cancel == Record::Cancel::asked) sought_.emplace(one.get(), std::move(one));
  asked_now_ = std::exchange(asked_, {});
  if (sought_.empty() && asked_now_.empty()) return false;
  woken_ = {.until = INT64_MIN};
  look_.begin(uses_.calls.table());
  phase_ = Phase::looking;
  return true;
}

void Cancellations::see(Record& record) {
  if (record.site != nullptr && record.site->has_arrived() && asked_now_.contains({record.site->from, record.site->id}))
    to_cancel_.emplace_back(RecordRef::share(record), "its caller");
  else if (record.waiter != nullptr && sought_.contains(record.caller))
    to_cancel_.emplace_back(RecordRef::share(record), std::string());
}

/// True: all frames that wait for something other than calls have been looked at.
bool Cancellations::wake_some() {
  const auto is_sought = [this](Record& execution) {
    return sought_.erase(&execution) > 0 && execution.cancel == Record::Cancel::asked;
  };
  std::size_t visits_left = limits::kLookSlice;
  return sought_.empty() || uses_.parked.cut_short(woken_, visits_left, is_sought);
}

/// True: all that was found has been cancelled.
bool Cancellations::cancel_some() {
  for (std::size_t ends_left = limits::kEndedPerTick; !to_cancel_.empty(); --ends_left) {
    if (ends_left == 0) return false;
    const auto [call, by] = std::move(to_cancel_.back());
    to_cancel_.pop_back();
    if (!by.empty()) {
      cancel(*call, by);
    } else if (Record* const caller = call->caller; call->waiter != nullptr && sought_.contains(caller)) {
      const RecordRef kept = RecordRef::share(*caller);
      kept->cancel = Record::Cancel::thrown;
      cancel(*call, uses_.words.describe(*kept));  // of several that it waits for, each
    }
  }
  return true;
}

void Cancellations::end_look() {
  for (auto& [execution, kept] : std::exchange(sought_, {}))
    if (kept->is_listed && kept->cancel == Record::Cancel::asked) running_.push_back(std::move(kept));
  asked_now_.clear();
  phase_ = Phase::idle;
}

}  // namespace epic::kernel
