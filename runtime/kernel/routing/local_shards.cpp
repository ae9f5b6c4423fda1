#include "kernel/routing/local_shards.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::kernel {

std::vector<ShardId> LocalShards::list() const {
  std::vector<ShardId> all;
  for (const auto& [shard, state] : shards_) all.push_back(shard);
  return all;
}

bool LocalShards::on_taken(ShardId shard, Epoch epoch) {
  const auto found = shards_.find(shard);
  if (found == shards_.end() || found->second.state != State::taking) return false;
  found->second.state = State::active;
  found->second.epoch = epoch;
  return true;
}

void LocalShards::on_asked_back(ShardId shard, std::int64_t now_ns, std::int64_t announced_ns, std::int64_t grace_ns) {
  if (state_of(shard) != State::active || releases_.contains(shard)) return;
  releases_[shard] = {.turn_ns = now_ns,
                      .window_ns = limits::kReleaseWindow.count(),
                      .grace_ns = grace_ns,
                      .end_ns = announced_ns + grace_ns,
                      .all_end_ns = now_ns + grace_ns};
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
  releases_.erase(shard);
}

// ---- closed and open by turns ----

void LocalShards::close(ShardId id, std::int64_t now_ns) {
  shards_.at(id).state = State::releasing;
  Release& release = releases_.at(id);
  release.turn_ns = std::max(now_ns, std::min(now_ns + release.window_ns, release.end_ns));
  listener_.on_closed(id);
}

void LocalShards::reopen(ShardId id, std::int64_t now_ns) {
  shards_.at(id).state = State::active;
  Release& release = releases_.at(id);
  release.turn_ns = std::min({now_ns + release.window_ns, now_ns + limits::kReleaseOpenMax.count(), release.end_ns});
  release.window_ns *= limits::kReleaseWindowGrowth;
  listener_.on_reopened(id);
}

void LocalShards::on_time(std::int64_t now_ns) {
  std::vector<ShardId> due;
  for (const auto& [shard, release] : releases_)
    if (release.turn_ns <= now_ns) due.push_back(shard);
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
  if (release.has_ended_old && now_ns < release.end_ns) {
    listener_.end_running(id, now_ns - release.grace_ns);
    if (!releases_.contains(id)) return;
  }
  if (now_ns < release.end_ns) {
    if (listener_.waits_for_calls(id)) return reopen(id, now_ns);
    release.turn_ns = std::min(now_ns + release.window_ns, release.end_ns);
    return;
  }
  release.turn_ns = now_ns + limits::kReleaseOpenMax.count();
  listener_.end_running(id, INT64_MAX);
}

std::optional<std::int64_t> LocalShards::next_timer_ns() const {
  std::optional<std::int64_t> next;
  for (const auto& [shard, release] : releases_) next = std::min(next.value_or(INT64_MAX), release.turn_ns);
  return next;
}

}  // namespace epic::kernel
