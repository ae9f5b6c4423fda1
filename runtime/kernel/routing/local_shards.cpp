#include "kernel/routing/local_shards.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::kernel {

bool LocalShards::on_taken(ShardId shard, Epoch epoch) {
  const auto found = shards_.find(shard);
  if (found == shards_.end() || found->second.state != State::taking) return false;
  found->second.state = State::active;
  found->second.epoch = epoch;
  return true;
}

void LocalShards::on_asked_back(ShardId shard, std::int64_t now_ns, std::int64_t announced_ns, std::int64_t grace_ns) {
  if (state_of(shard) != State::active || releases_.contains(shard)) return;
  releases_[shard] = {.turn_ns = INT64_MAX,
                      .window_ns = limits::kReleaseWindow.count(),
                      .grace_ns = grace_ns,
                      .end_ns = announced_ns + grace_ns,
                      .all_end_ns = now_ns + grace_ns,
                      .was_announced = announced_ns < now_ns};
  close(shard, now_ns);
}

bool LocalShards::try_release(ShardId shard, bool is_empty) {
  if (!is_empty || state_of(shard) != State::releasing) return false;
  forget(shard);
  return true;
}

bool LocalShards::note_change(ShardId shard, CommitNumber batch) {
  const auto found = shards_.find(shard);
  return found == shards_.end() || std::exchange(found->second.changed_in, batch) != batch;
}

void LocalShards::forget(ShardId shard) {
  shards_.erase(shard);
  const auto release = releases_.find(shard);
  if (release == releases_.end()) return;
  turns_.erase({release->second.turn_ns, shard});
  releases_.erase(release);
}

// ---- closed and open by turns ----

/// Once something has had its time, it is not left until a long window is over.
std::int64_t LocalShards::Release::closed_ns() const {
  return has_ended_old ? std::min(window_ns, limits::kReleaseOpenMax.count()) : window_ns;
}

void LocalShards::set_turn(ShardId id, Release& release, std::int64_t turn_ns) {
  turns_.erase({std::exchange(release.turn_ns, turn_ns), id});
  turns_.emplace(turn_ns, id);
}

void LocalShards::close(ShardId id, std::int64_t now_ns) {
  shards_.at(id).state = State::releasing;
  Release& release = releases_.at(id);
  set_turn(id, release, std::max(now_ns, std::min(now_ns + release.closed_ns(), release.end_ns)));
  listener_.on_closed(id);
}

void LocalShards::reopen(ShardId id, std::int64_t now_ns) {
  shards_.at(id).state = State::active;
  Release& release = releases_.at(id);
  set_turn(id, release,
           std::min({now_ns + release.window_ns, now_ns + limits::kReleaseOpenMax.count(), release.end_ns}));
  release.window_ns *= limits::kReleaseWindowGrowth;
  listener_.on_reopened(id);
}

void LocalShards::on_time(std::int64_t now_ns) {
  std::vector<ShardId> due;
  for (auto turn = turns_.begin(); turn != turns_.end() && turn->first <= now_ns; ++turn) due.push_back(turn->second);
  for (const ShardId shard : due)
    if (releases_.contains(shard)) turn(shard, now_ns);
}

void LocalShards::turn(ShardId id, std::int64_t now_ns) {
  if (shards_.at(id).state == State::active) return close(id, now_ns);
  Release& release = releases_.at(id);
  if (now_ns >= release.end_ns && now_ns < release.all_end_ns) {  // for the others a grace of their own begins
    release.end_ns = release.all_end_ns;
    release.has_ended_old = true;
  }
  const std::int64_t hook_grace_ns =
      release.was_announced ? std::min(limits::kHookGraceMin.count(), release.grace_ns) : release.grace_ns;
  Overdue overdue{.calls_ns = now_ns - release.grace_ns, .deactivations_ns = now_ns - hook_grace_ns};
  if (release.has_ended_old && now_ns < release.end_ns) {
    listener_.end_running(id, overdue);
    if (!releases_.contains(id)) return;
  }
  if (now_ns < release.end_ns) {
    set_turn(id, release, std::min(now_ns + release.closed_ns(), release.end_ns));
    return listener_.look_for_waits(id);
  }
  set_turn(id, release, now_ns + limits::kReleaseOpenMax.count());
  overdue.calls_ns = INT64_MAX;
  listener_.end_running(id, overdue);
}

void LocalShards::on_waits_seen(ShardId id, std::int64_t now_ns) {
  if (state_of(id) != State::releasing) return;
  if (const auto release = releases_.find(id); release != releases_.end() && now_ns < release->second.end_ns)
    reopen(id, now_ns);
}

}  // namespace epic::kernel
