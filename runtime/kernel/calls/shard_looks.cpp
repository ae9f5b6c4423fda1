#include "kernel/calls/shard_looks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

/// Where an execution runs, or has run when its caller stopped waiting.
const Activation* runs_in(const Record* record) {
  const bool is_running = record != nullptr && (record->state == Record::State::running || record->is_abandoned);
  return is_running ? activation_of(record) : nullptr;
}

}  // namespace

void ShardLooks::on_time() {
  if (!look_.is_on()) {
    if (asked_.empty()) return;
    seen_ = std::exchange(asked_, {});
    look_.begin(calls_.table());
  }
  std::vector<RecordRef> late;
  const bool is_over = look_.go_on_gathering(late, [&](Record& record) { see(record, late); });
  if (!late.empty())
    ends_.abort(late, fmt::format("its shard is moving, and what runs there had {} s to end",
                                  std::chrono::duration<double>(grace_).count()));
  if (is_over) answer();
}

void ShardLooks::see(Record& record, std::vector<RecordRef>& late) {
  const Activation* const activation = activation_of(&record);
  if (activation != nullptr && activation->state != Activation::State::reaping && record.has_run)
    if (const auto asked = seen_.find(activation->shard.value);
        asked != seen_.end() && is_late(record, asked->second.overdue))
      late.push_back(RecordRef::share(record));
  const Activation* const caller = runs_in(record.caller);
  if (caller == nullptr || record.method == nullptr) return;
  if (const Activation* own = runs_in(&record); own != nullptr && own->shard == caller->shard) return;
  if (const auto asked = seen_.find(caller->shard.value); asked != seen_.end()) asked->second.waits = true;
}

/// A hook begins when the calls have ended, so their time is not its own.
bool ShardLooks::is_late(const Record& record, const Overdue& overdue) const {
  const Activation& activation = *activation_of(&record);
  std::int64_t until_ns = overdue.calls_ns;
  if (&record == activation.hook())
    until_ns = activation.state == Activation::State::starting
                   ? std::min(overdue.calls_ns, clock_.now_ns - grace_.count())
                   : overdue.deactivations_ns;
  return until_ns != INT64_MIN && words_.begun_ns_of(record) <= until_ns;
}

void ShardLooks::answer() {
  std::vector<ShardId> waiting;
  for (const auto& [shard, asked] : seen_)
    if (asked.is_about_waits && asked.waits) waiting.push_back(ShardId{shard});
  seen_.clear();
  std::ranges::sort(waiting);
  for (const ShardId shard : waiting) routing_.on_waits_seen(shard, clock_.now_ns);
}

}  // namespace epic::kernel
