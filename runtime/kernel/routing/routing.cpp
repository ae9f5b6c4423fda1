#include "kernel/routing/routing.hpp"

#include <algorithm>
#include <utility>

namespace epic::kernel {

Routing::Decision Routing::decide(const RoutedCall& call, bool is_urgent) const {
  const LocalShards::State local = state_of(call.shard);
  if (call.has_arrived() && call.sent_version < router_.owned_since(call.shard)) return {Way::refuse};
  if (!is_urgent && router_.is_behind_another(call)) return {Way::park};
  if (!is_urgent && !call.has_arrived() && router_.is_former_owner_asked(call.shard)) return {Way::park};
  if (local == LocalShards::State::active || (is_urgent && local == LocalShards::State::releasing)) return {Way::here};
  if (local != LocalShards::State::none) return {Way::park};
  if (call.has_arrived()) return {call.sent_version > version() ? Way::park : Way::refuse};
  const PeerAddress owner = router_.find_way(call);
  if (owner.life == 0 || owner == self_) return {Way::park};
  return {Way::send, owner};
}

bool Routing::must_refuse(ShardId shard, MapVersion by) const {
  return (!is_ours(shard) && by <= version()) || by < router_.owned_since(shard);
}

void Routing::park_until_commit(RoutedCall& call) {
  await_commit_.insert(call.shard);
  park(call);
}

void Routing::on_committed() {
  for (const ShardId shard : std::exchange(await_commit_, {})) retry(shard);
}

Routing::Changes Routing::on_map(ShardMap map) {
  Changes changes;
  if (!router_.set_map(std::move(map))) return changes;
  const ShardMap& newest = router_.map();
  const bool is_member = router_.address_of(self_.node) == self_;
  for (const ShardId shard : local_.list())
    if (!is_member || router_.owner_of(shard) != self_.node) changes.lost.push_back(shard);
  for (const ShardId shard : changes.lost) local_.on_lost(shard);
  if (!is_member) return changes;
  const std::set<ShardId> moving(newest.moving.begin(), newest.moving.end());
  const std::set<ShardId> orphaned(newest.orphaned.begin(), newest.orphaned.end());
  for (std::size_t i = 0; i < newest.owners.size(); ++i) {
    const ShardId shard{static_cast<decltype(ShardId::value)>(i)};
    if (newest.owners[i] != self_.node || is_ours(shard) || moving.contains(shard)) continue;
    local_.on_given(shard, orphaned.contains(shard));
    changes.given.push_back(shard);
  }
  return changes;
}

std::optional<std::int64_t> Routing::next_timer_ns() const {
  std::optional<std::int64_t> next = router_.next_timer_ns();
  if (const auto turn = local_.next_timer_ns()) next = std::min(next.value_or(INT64_MAX), *turn);
  return next;
}

}  // namespace epic::kernel
