#include "kernel/calls/early_ends.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

constexpr std::size_t kAbortsReportedMax = 16;

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

void EarlyEnds::look() {
  next_look_ns_ = execution_.now_ns +
                  std::max<std::int64_t>(limits::kTasksLook.count(),
                                         static_cast<std::int64_t>(calls_.size()) * limits::kTasksLookPerCall.count());
  struct Seen {
    std::vector<RecordRef> tasks;
    bool has_calls = false;
  };
  std::map<ActivationId, Seen> leaving;
  for (const ActivationId id : std::exchange(watched_, {}))
    if (const Activation* activation = table_.find(id); activation != nullptr && activation->is_to_leave()) leaving[id];
  if (leaving.empty()) return;
  calls_.for_each([&](Record& record) {
    const Activation* activation = activation_of(&record);
    const auto found = activation == nullptr ? leaving.end() : leaving.find(activation->id);
    if (found == leaving.end()) return;
    if (is_for_lone_task(record, *activation))
      found->second.tasks.push_back(RecordRef::share(record));
    else
      found->second.has_calls = true;
  });
  std::erase_if(leaving, [](const auto& one) { return one.second.has_calls; });  // until one of them has ended
  Executions running;
  for (const auto& [id, seen] : leaving)
    for (const RecordRef& record : seen.tasks)
      if (record->has_run && !record->is_cancelled) running.insert(record.get());
  for (const auto& [id, seen] : leaving)
    for (const RecordRef& record : seen.tasks)
      if (!record->has_run && record->method == nullptr)
        calls_.fail(*record, ErrorCode::cancelled, "it had not begun when its entity was to leave");
  if (!running.empty()) cancel(running);
  std::vector<ActivationId> unwinding;
  for (const auto& [id, seen] : leaving) {
    if (std::ranges::any_of(seen.tasks, [&](const RecordRef& record) { return record->is_cancelled; }))
      unwinding.push_back(id);
    // One that is about to resume has its next co_await before it.
    if (std::ranges::any_of(seen.tasks, [&](const RecordRef& record) { return !record->is_cancelled; }))
      watched_.insert(id);
  }
  if (!unwinding.empty())
    unwinding_.emplace_back(execution_.now_ns + limits::kUnwindPatience.count(), std::move(unwinding));
}

/// What waits for another of them is left alone: Cancelled reaches it from there.
void EarlyEnds::cancel(const Executions& tasks) {
  timers_.cut_short([&](Record* execution) {
    if (!tasks.contains(execution)) return false;
    execution->is_cancelled = true;
    return true;
  });
  std::vector<RecordRef> awaited;
  calls_.for_each([&](Record& record) {
    if (record.waiter != nullptr && tasks.contains(record.caller) && !(record.has_run && tasks.contains(&record)))
      awaited.push_back(RecordRef::share(record));
  });
  for (const RecordRef& record : awaited) {
    if (record->caller == nullptr) continue;  // the same caller's, which has ended meanwhile
    const RecordRef caller = RecordRef::share(*record->caller);
    caller->is_cancelled = true;
    calls_.fail(
        *record, ErrorCode::cancelled,
        fmt::format("{} was cancelled: its entity is to leave, and no call waits for it", words_.describe(*caller)));
  }
}

void EarlyEnds::abort_unwinding() {
  std::set<ActivationId> late;
  for (; !unwinding_.empty() && unwinding_.front().first <= execution_.now_ns; unwinding_.pop_front())
    for (const ActivationId id : unwinding_.front().second)
      if (const Activation* activation = table_.find(id); activation != nullptr && activation->is_to_leave())
        late.insert(id);
  if (late.empty()) return;
  abort("its entity is to leave, and its tasks went on after epic::Cancelled", [&](const Record& record) {
    const Activation* activation = activation_of(&record);
    return activation != nullptr && late.contains(activation->id) && is_for_lone_task(record, *activation);
  });
}

void EarlyEnds::abort(const std::string& reason, const std::function<bool(const Record&)>& is_meant) {
  std::vector<RecordRef> meant;
  calls_.for_each([&](Record& record) {
    if (is_meant(record)) meant.push_back(RecordRef::share(record));
  });
  std::size_t reported = 0;
  for (const RecordRef& record : meant) {
    const std::string why =
        fmt::format("{} was {}: {}", words_.describe(*record), record->has_run ? "interrupted" : "not started", reason);
    const bool is_awaited = record->waiter != nullptr || (record->site != nullptr && record->site->reports());
    if (record->has_run && is_awaited && reported++ < kAbortsReportedMax)
      syscalls_.log(LogLevel::warn, words_.shown(record->callee), why);
    calls_.fail(*record, record->has_run ? ErrorCode::node_lost : ErrorCode::unavailable, why);
  }
  if (reported > kAbortsReportedMax)
    syscalls_.log(LogLevel::warn, {}, fmt::format("{} more calls were interrupted", reported - kAbortsReportedMax));
  Record* const before = execution_.current;
  for (const RecordRef& record : meant) {
    if (!record->is_listed) continue;  // had not started
    execution_.current = record.get();
    record->destroy_frame();
    calls_.end_turn();
    execution_.current = before;
    calls_.end_execution(*record);
  }
}

void EarlyEnds::on_time() {
  abort_unwinding();
  if (!watched_.empty() && next_look_ns_ <= execution_.now_ns) look();
}

std::optional<std::int64_t> EarlyEnds::next_timer_ns() const {
  std::optional<std::int64_t> next;
  if (!watched_.empty()) next = next_look_ns_;
  if (!unwinding_.empty()) next = std::min(next.value_or(INT64_MAX), unwinding_.front().first);
  return next;
}

}  // namespace epic::kernel
