#include "kernel/calls/early_ends.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

constexpr std::size_t kReportedMax = 16;  // of the calls interrupted in …
constexpr std::chrono::nanoseconds kReportsEvery = std::chrono::seconds(1);

/// One of the entity's own Tasks that it has spawned, and that nothing waits for.
bool is_lone_task(const Record& record, const Activation& activation) {
  return record.method == nullptr && record.waiter == nullptr && &record != activation.hook();
}

/// It runs, or is to run, for such a task: as one, or as what the task waits for in its own entity.
bool is_for_lone_task(const Record& record, const Activation& activation) {
  const Record* root = &record;
  while (root->caller != nullptr) root = root->caller;
  return activation_of(root) == &activation && is_lone_task(*root, activation);
}

}  // namespace

void EarlyEnds::watch(const Activation& activation) { watched_.insert(activation.id); }

void EarlyEnds::on_time() {
  abort_unwinding();
  look();
  scheduler_.has_cancelled_tasks = phase_ != Phase::idle || !known_.empty();
}

void EarlyEnds::look() {
  if (phase_ == Phase::idle && !begin_look()) return;
  if (phase_ == Phase::looking) {
    std::size_t visits_left = limits::kLookSlice;
    if (!look_.go_on(visits_left, [this](Record& record) { see(record); })) return;
    phase_ = Phase::counting;
  }
  if (phase_ == Phase::counting) {
    if (!count_some()) return;
    phase_ = Phase::waking;
    woken_ = {.until = INT64_MIN};
  }
  if (phase_ == Phase::waking) {
    if (!wake_some()) return;
    phase_ = Phase::cancelling;
  }
  if (cancel_some()) end_cancelling();
}

// ---- tasks ----

/// False: there is nothing to look for now.
bool EarlyEnds::begin_look() {
  if (watched_.empty() || scheduler_.now_ns < next_look_ns_) return false;
  next_look_ns_ = scheduler_.now_ns +
                  std::max<std::int64_t>(limits::kTasksLook.count(),
                                         static_cast<std::int64_t>(calls_.size()) * limits::kTasksLookPerCall.count());
  for (const ActivationId id : std::exchange(watched_, {}))
    if (const Activation* activation = table_.find(id); activation != nullptr && activation->is_to_leave())
      leaving_[id].is_known = known_.contains(id);
  known_.clear();
  if (leaving_.empty()) return false;
  look_.begin(calls_.table());
  phase_ = Phase::looking;
  return true;
}

EarlyEnds::Seen* EarlyEnds::find_leaving(const Activation* activation) {
  if (activation == nullptr || !activation->is_to_leave() || activation->state == Activation::State::reaping)
    return nullptr;
  const auto found = leaving_.find(activation->id);
  return found == leaving_.end() ? nullptr : &found->second;
}

void EarlyEnds::see(Record& record) {
  const Activation* const activation = activation_of(&record);
  if (Seen* const seen = find_leaving(activation)) {
    if (is_for_lone_task(record, *activation)) {
      if (seen->is_known && record.has_run && record.cancel == Record::Cancel::no)
        record.cancel = Record::Cancel::asked;
      seen->tasks.push_back(RecordRef::share(record));
    } else {
      seen->has_calls = true;
    }
  }
  if (record.waiter != nullptr && find_leaving(activation_of(record.caller)) != nullptr &&
      record.caller->cancel != Record::Cancel::thrown)
    awaited_.push_back({RecordRef::share(record), record.cancel == Record::Cancel::thrown});
}

/// True: it is known of which entities only tasks are left.
bool EarlyEnds::count_some() {
  std::size_t visits_left = limits::kLookSlice;
  for (auto& [id, seen] : leaving_) {
    for (; seen.counted < seen.tasks.size() && visits_left > 0; ++seen.counted, --visits_left) {
      RecordRef task = std::exchange(seen.tasks[seen.counted], {});
      if (task->cancel == Record::Cancel::thrown) ++seen.cancelled;
      if (task->has_run && task->is_listed) ++seen.begun;
      if (!task->has_run && task->method == nullptr) seen.unbegun.push_back(std::move(task));
    }
    if (seen.counted < seen.tasks.size()) return false;
  }
  for (auto one = leaving_.begin(); one != leaving_.end();) {
    const bool is_to_end = has_only_tasks(one->first, one->second);
    if (is_to_end) std::ranges::move(std::exchange(one->second.unbegun, {}), std::back_inserter(unbegun_));
    one = is_to_end ? std::next(one) : leaving_.erase(one);
  }
  return true;
}

bool EarlyEnds::has_only_tasks(ActivationId id, const Seen& seen) {
  const Activation* const activation = table_.find(id);
  if (activation == nullptr || !activation->is_to_leave() || seen.has_calls) return false;  // until one has ended
  if (seen.begun == activation->running) return true;
  watched_.insert(id);  // something has begun meanwhile
  return false;
}

/// Null: the execution is not of an entity of which only tasks are left, or has not begun.
EarlyEnds::Seen* EarlyEnds::find_task_to_end(const Record& record) {
  const Activation* const activation = activation_of(&record);
  return record.has_run && activation != nullptr && is_for_lone_task(record, *activation) ? find_leaving(activation)
                                                                                          : nullptr;
}

/// True: all that wait for something other than calls have been woken.
bool EarlyEnds::wake_some() {
  if (leaving_.empty()) return true;
  const auto is_to_wake = [this](Record& execution) {
    Seen* const seen = execution.cancel == Record::Cancel::thrown ? nullptr : find_task_to_end(execution);
    if (seen != nullptr) ++seen->cancelled;
    return seen != nullptr;
  };
  std::size_t visits_left = limits::kLookSlice;
  return parked_.cut_short(woken_, visits_left, is_to_wake);
}

/// True: all that tasks wait for has been cut short.
bool EarlyEnds::cancel_some() {
  std::size_t ends_left = limits::kEndedPerTick;
  for (std::size_t visits_left = limits::kLookSlice; !awaited_.empty(); --visits_left) {
    if (ends_left == 0 || visits_left == 0) return false;
    Awaited awaited = std::move(awaited_.front());
    awaited_.pop_front();
    if (cancel(std::move(awaited))) --ends_left;
  }
  for (; !unbegun_.empty(); unbegun_.pop_front()) {
    if (ends_left-- == 0) return false;
    if (!unbegun_.front()->has_run)
      calls_.fail(*unbegun_.front(), ErrorCode::cancelled, "it had not begun when its entity was to leave");
  }
  return true;
}

/// What waits for another of the tasks is left alone: Cancelled reaches it from there.
bool EarlyEnds::cancel(Awaited awaited) {
  Record& call = *awaited.call;
  if (call.waiter == nullptr || call.caller == nullptr) return false;
  const RecordRef caller = RecordRef::share(*call.caller);
  Seen* const seen = find_task_to_end(*caller);
  if (seen == nullptr || (!awaited.was_cancelled && find_task_to_end(call) != nullptr)) return false;
  if (std::exchange(caller->cancel, Record::Cancel::thrown) != Record::Cancel::thrown) ++seen->cancelled;
  calls_.fail(
      call, ErrorCode::cancelled,
      fmt::format("{} was cancelled: its entity is to leave, and no call waits for it", words_.describe(*caller)));
  return true;
}

void EarlyEnds::end_cancelling() {
  for (const auto& [id, seen] : std::exchange(leaving_, {})) {
    if (seen.cancelled > 0) unwinding_.emplace_back(scheduler_.now_ns + limits::kUnwindTimeout.count(), id);
    if (seen.cancelled == seen.counted) continue;
    watched_.insert(id);  // some were about to resume: from the next look on, their next waits fail at once
    known_.insert(id);
  }
  phase_ = Phase::idle;
}

// ---- aborting ----

void EarlyEnds::abort_unwinding() {
  if (!late_look_.is_on()) {
    late_.clear();
    for (; !unwinding_.empty() && unwinding_.front().first <= scheduler_.now_ns; unwinding_.pop_front())
      if (const Activation* activation = table_.find(unwinding_.front().second);
          activation != nullptr && activation->is_to_leave())
        late_.insert(activation->id);
    if (late_.empty()) return;
    late_look_.begin(calls_.table());
  }
  std::vector<RecordRef> late;
  late_look_.go_on_gathering(late, [&](Record& record) {
    const Activation* activation = activation_of(&record);
    if (activation != nullptr && activation->state != Activation::State::reaping && late_.contains(activation->id) &&
        is_for_lone_task(record, *activation))
      late.push_back(RecordRef::share(record));
  });
  abort(late, "its entity is to leave, and its tasks went on after epic::Cancelled");
}

void EarlyEnds::abort_all(const std::string& reason) {
  std::vector<RecordRef> all;
  calls_.for_each([&](Record& record) {
    const Activation* activation = activation_of(&record);
    if (activation == nullptr || activation->state != Activation::State::reaping)
      all.push_back(RecordRef::share(record));
  });
  abort(all, reason);
}

void EarlyEnds::abort(std::span<const RecordRef> executions, const std::string& reason) {
  if (scheduler_.now_ns - reports_from_ns_ >= kReportsEvery.count()) {
    reports_from_ns_ = scheduler_.now_ns;
    reported_ = 0;
  }
  for (const RecordRef& record : executions) {
    const std::string why =
        fmt::format("{} was {}: {}", words_.describe(*record), record->has_run ? "interrupted" : "not started", reason);
    const bool is_awaited = record->waiter != nullptr || (record->site != nullptr && record->site->reports());
    if (record->has_run && is_awaited && ++reported_ <= kReportedMax)
      syscalls_.log(LogLevel::warn, words_.shown(record->callee), why);
    if (reported_ == kReportedMax + 1) {
      syscalls_.log(LogLevel::warn, {}, "more calls are being interrupted");
      ++reported_;
    }
    calls_.fail(*record, record->has_run ? ErrorCode::node_lost : ErrorCode::unavailable, why);
  }
  Record* const before = scheduler_.current;
  for (const RecordRef& record : executions) {
    if (!record->is_listed) continue;  // had not started
    scheduler_.current = record.get();
    record->destroy_frame();
    calls_.end_turn();
    scheduler_.current = before;
    calls_.end_execution(*record);
  }
}

std::optional<std::int64_t> EarlyEnds::next_timer_ns() const {
  if (phase_ != Phase::idle || late_look_.is_on()) return 0;
  std::optional<std::int64_t> next;
  if (!watched_.empty()) next = next_look_ns_;
  if (!unwinding_.empty()) next = std::min(next.value_or(INT64_MAX), unwinding_.front().first);
  return next;
}

}  // namespace epic::kernel
