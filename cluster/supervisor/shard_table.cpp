#include "cluster/supervisor/shard_table.hpp"

#include <algorithm>
#include <utility>

#include "cluster/placement/placement.hpp"
#include "kernel/assert.hpp"

namespace epic::cluster {

using kernel::Epoch;
using kernel::NodeId;
using kernel::ShardId;

ShardTable::ShardTable(std::uint16_t shard_count, std::chrono::nanoseconds quiet) : quiet_(quiet), taken_(shard_count) {
  map_.owners.resize(shard_count);
  published_ = map_;
}

void ShardTable::open(TimePoint now) {
  EPIC_ASSERT(!is_open_, "the shard table was opened twice");
  is_open_ = true;
  last_change_ = now;
  set_owners(place(list_candidates(), map_.owners));
  publish();
}

void ShardTable::on_joined(const kernel::ShardMap::Member& member, TimePoint now) {
  const auto at = std::ranges::lower_bound(map_.members, member.node, {}, &kernel::ShardMap::Member::node);
  EPIC_ASSERT(at == map_.members.end() || at->node != member.node, "node {} joined twice", member.node);
  map_.members.insert(at, member);
  last_change_ = now;
  if (!is_open_) return;
  set_owners(place_ownerless());
  publish();
}

void ShardTable::on_left(NodeId node, TimePoint now) {
  if (std::erase_if(map_.members, [&](const auto& member) { return member.node == node; }) == 0) return;
  last_change_ = now;
  draining_.erase(node);
  if (move_ && move_->from == node) move_.reset();
  if (!is_open_) return;
  set_owners(place_ownerless());
  publish();
}

void ShardTable::on_taken(NodeId node, const wire::Taken& taken, TimePoint now) {
  for (const auto& [shard, epoch] : taken.shards)
    if (shard.value < taken_.size() && map_.owners[shard.value] == node) taken_[shard.value] = epoch;
  on_tick(now);
}

void ShardTable::on_released(NodeId node, const wire::Released& released, TimePoint now) {
  if (!move_ || move_->from != node || move_->shard != released.shard || move_->asked_at != released.map_version)
    return;
  // Look again at who should have it: the member it was meant for may be gone.
  std::vector<NodeId> owners = map_.owners;
  owners[released.shard.value] = place(list_candidates(), map_.owners)[released.shard.value];
  taken_[released.shard.value] = Epoch{0};
  move_.reset();
  last_change_ = now - quiet_;  // the next move need not wait
  set_owners(owners);
  publish();
}

void ShardTable::on_tick(TimePoint now) {
  const bool is_draining = std::ranges::any_of(draining_, [&](NodeId node) { return count_owned(node) > 0; });
  if (!is_open_ || move_ || (!is_draining && now - last_change_ < quiet_) || !is_settled()) return;
  const std::vector<NodeId> wanted = place(list_candidates(), map_.owners);
  const auto [from, to] = std::ranges::mismatch(map_.owners, wanted);
  if (from == map_.owners.end()) return;
  const ShardId shard{static_cast<std::uint16_t>(from - map_.owners.begin())};
  move_ = Move{shard, *from, map_.version};
  actions_.push_back(AskRelease{*from, {{shard}, map_.version}});
}

std::vector<ShardTable::Action> ShardTable::take_actions() { return std::exchange(actions_, {}); }

bool ShardTable::is_settled() const {
  return is_open_ && !map_.members.empty() && std::ranges::none_of(taken_, [](Epoch e) { return e == Epoch{0}; });
}

bool ShardTable::is_level() const {
  return is_settled() && !move_ && place(list_candidates(), map_.owners) == map_.owners;
}

std::optional<NodeId> ShardTable::find_active_owner(ShardId shard) const {
  if (shard.value >= taken_.size() || taken_[shard.value] == Epoch{0}) return std::nullopt;
  return map_.owners[shard.value];
}

std::size_t ShardTable::count_owned(NodeId node) const {
  return static_cast<std::size_t>(std::ranges::count(map_.owners, node));
}

/// Members that shards may go to: those that are not drained, unless there is no other.
std::vector<NodeId> ShardTable::list_candidates() const {
  std::vector<NodeId> all;
  for (const auto& member : map_.members) all.push_back(member.node);
  std::vector<NodeId> candidates = all;
  std::erase_if(candidates, [&](NodeId node) { return draining_.contains(node); });
  return candidates.empty() ? all : candidates;
}

/// Owners for the shards that have none. What a drained member holds is its own until it has released it.
std::vector<NodeId> ShardTable::place_ownerless() const {
  std::vector<NodeId> owners = place_orphans(list_candidates(), map_.owners);
  for (std::size_t shard = 0; shard < owners.size(); ++shard)
    if (std::ranges::find(map_.members, map_.owners[shard], &kernel::ShardMap::Member::node) != map_.members.end())
      owners[shard] = map_.owners[shard];
  return owners;
}

void ShardTable::set_owners(const std::vector<NodeId>& owners) {
  for (std::size_t shard = 0; shard < owners.size(); ++shard)
    if (owners[shard] != map_.owners[shard]) taken_[shard] = Epoch{0};
  map_.owners = owners;
}

void ShardTable::publish() {
  map_.version = map_.version.next();
  published_ = map_;
  if (move_) published_.owners[move_->shard.value] = NodeId{0};
  actions_.push_back(Publish{published_});
}

}  // namespace epic::cluster
