#include "cluster/supervisor/shard_table.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "cluster/placement/placement.hpp"
#include "kernel/assert.hpp"

namespace epic::cluster {

using kernel::Epoch;
using kernel::NodeId;
using kernel::ShardId;

ShardTable::ShardTable(std::uint32_t shard_count, std::chrono::nanoseconds quiet, kernel::MapVersion before)
    : quiet_(quiet), taken_(shard_count), newest_(shard_count), former_(shard_count) {
  map_.version = before;
  map_.owners.resize(shard_count);
  map_.owned_since.resize(shard_count);
  count_all();
}

void ShardTable::open(TimePoint now) {
  EPIC_ASSERT(!is_open_, "the shard table was opened twice");
  is_open_ = true;
  last_change_ = now;
  count_all();
  if (!std::exchange(has_inherited_, false)) {
    set_owners(place(list_candidates(), map_.owners));
  } else {
    for (std::size_t shard = 0; shard < map_.owners.size(); ++shard)
      if (const auto owner = generations_.find(map_.owners[shard]); owner != generations_.end())
        newest_[shard] = owner->second;
    for (auto& [shard, move] : moves_) move.begun = now;
    set_owners(place_without({}));
  }
  publish();
}

/// The owners have their shards by an older map, so all of them are granted anew: that puts this term on every row, and
/// from then on a former leader can grant nothing.
void ShardTable::inherit(Inherited inherited) {
  EPIC_ASSERT(!is_open_ && inherited.owners.size() == taken_.size(), "{} shards, of {}, are inherited",
              inherited.owners.size(), taken_.size());
  has_inherited_ = true;
  map_.owners = std::move(inherited.owners);
  taken_ = std::move(inherited.taken);
  for (std::size_t shard = 0; shard < map_.owners.size(); ++shard)
    if (map_.owners[shard] == NodeId{0})
      newest_[shard] = inherited.generation;
    else
      map_.owned_since[shard] = map_.version.next();
  for (const auto& [shard, asked_at] : inherited.moves)
    moves_[shard] = {.from = map_.owners[shard.value], .to = {}, .asked_at = asked_at, .begun = {}};
}

void ShardTable::close() {
  is_open_ = false;
  moves_.clear();
  landing_.clear();
  former_ = map_.owners;
  orphaned_.clear();
  std::ranges::fill(map_.owners, NodeId{0});
  std::ranges::fill(taken_, Epoch{0});
  count_all();
}

void ShardTable::on_joined(const kernel::ShardMap::Member& member, Generation generation, TimePoint now) {
  const auto at = std::ranges::lower_bound(map_.members, member.node, {}, &kernel::ShardMap::Member::node);
  EPIC_ASSERT(at == map_.members.end() || at->node != member.node, "node {} joined twice", member.node);
  map_.members.insert(at, member);
  generations_[member.node] = generation;
  misplaced_.reset();
  const bool is_new = known_.emplace(member.node, member.machine).second;
  last_change_ = is_new && is_open_ ? now - quiet_ : now;
  if (!is_open_) return;
  set_owners(place_without({}));
  publish();
}

void ShardTable::on_death(NodeId node, TimePoint now) {
  for (std::uint32_t shard = 0; shard < taken_.size(); ++shard)
    if (map_.owners[shard] == node || (!is_open_ && former_[shard] == node))
      orphaned_.insert_or_assign(ShardId{shard}, Orphaned{now});
}

void ShardTable::note_orphans(const std::vector<ShardId>& shards, TimePoint now) {
  for (const ShardId shard : shards)
    if (shard.value < taken_.size()) orphaned_.insert_or_assign(shard, Orphaned{now});
}

std::vector<ShardId> ShardTable::list_orphans() const {
  std::vector<ShardId> orphans;
  for (const auto& [shard, orphaned] : orphaned_)
    if (!orphaned.is_taken_since) orphans.push_back(shard);
  return orphans;
}

void ShardTable::on_left(NodeId node, TimePoint now) {
  stop_draining(node);  // it may have been drained before it became a member
  if (std::erase_if(map_.members, [&](const auto& member) { return member.node == node; }) == 0) return;
  generations_.erase(node);
  misplaced_.reset();
  last_change_ = now;
  std::erase_if(moves_, [&](const auto& move) { return move.second.from == node; });
  if (!is_open_) return;
  set_owners(place_without({}));
  publish();
}

void ShardTable::on_taken(NodeId node, const protocol::Taken& taken, TimePoint now) {
  for (const auto& [shard, epoch] : taken.shards) {
    if (shard.value >= taken_.size() || map_.owners[shard.value] != node) continue;
    set_taken(shard, epoch);
    if (const auto orphaned = orphaned_.find(shard); orphaned != orphaned_.end())
      orphaned->second.is_taken_since = true;
  }
  on_tick(now);
}

void ShardTable::on_released(NodeId node, const protocol::Released& released, TimePoint now) {
  const auto move = moves_.find(released.shard);
  if (move == moves_.end() || move->second.from != node || move->second.asked_at != released.map_version) return;
  // Look for an owner again: the member it was meant for may be gone.
  const auto& elsewhere = misplaced();
  const auto meant = std::ranges::lower_bound(elsewhere, released.shard, {}, &Misplaced::shard);
  const bool is_meant = meant != elsewhere.end() && meant->shard == released.shard;
  const NodeId next = is_meant ? meant->wanted : map_.owners[released.shard.value];
  set_taken(released.shard, Epoch{0});
  if (const auto orphaned = orphaned_.find(released.shard);
      orphaned != orphaned_.end() && now - orphaned->second.at > kDeathKnownFor)
    orphaned_.erase(orphaned);
  moves_.erase(move);
  last_change_ = now - quiet_;  // the next move need not wait
  if (next != map_.owners[released.shard.value]) set_owner(released.shard, next);
  landing_[released.shard] = {.from = node, .to = next};
  map_.owned_since[released.shard.value] = map_.version.next();  // even if it returns to where it was
  publish();
}

void ShardTable::on_tick(TimePoint now) {
  if (!is_open_) return;
  const bool is_draining = std::ranges::any_of(draining_, [&](const auto& one) { return count_owned(one.first) > 0; });
  if (!is_draining) return balance(now);
  const std::size_t at_once = has_move_since(now - kSlowMove) ? taken_.size() : kDrainedAtOnceMax;
  const std::size_t on_their_way = count_on_their_way();
  if (on_their_way >= at_once) return;
  std::map<NodeId, std::vector<ShardId>> due;  // by owner
  std::size_t room = at_once - on_their_way;
  for (const auto& [shard, wanted] : misplaced()) {
    if (room == 0) break;
    if (taken_[shard.value] == Epoch{0} || moves_.contains(shard)) continue;
    due[map_.owners[shard.value]].push_back(shard);
    --room;
  }
  for (auto& [owner, shards] : due) ask_release(owner, std::move(shards), now);
}

/// More than one move of a member at a time would stall calls longer.
void ShardTable::balance(TimePoint now) {
  if (now - last_change_ < quiet_ || untaken_ > landing_.size()) return;
  std::set<NodeId> busy;
  for (const auto& [shard, move] : moves_) busy.insert({move.from, move.to});
  for (const auto& [shard, ends] : landing_) busy.insert({ends.from, ends.to});
  for (const auto& [shard, wanted] : misplaced()) {
    const NodeId owner = map_.owners[shard.value];
    if (taken_[shard.value] == Epoch{0} || busy.contains(owner) || busy.contains(wanted)) continue;
    busy.insert({owner, wanted});
    ask_release(owner, {shard}, now);
  }
}

void ShardTable::ask_release(NodeId owner, std::vector<ShardId> shards, TimePoint now) {
  for (const ShardId shard : shards) {
    const auto meant = std::ranges::lower_bound(misplaced(), shard, {}, &Misplaced::shard);
    moves_[shard] = {.from = owner, .to = meant->wanted, .asked_at = map_.version, .begun = now};
  }
  const auto drain = draining_.find(owner);
  const std::chrono::nanoseconds announced_ago = drain == draining_.end() ? now - now : now - drain->second;
  actions_.push_back(AskRelease{owner, {std::move(shards), map_.version, announced_ago}});
}

std::vector<ShardTable::Action> ShardTable::take_actions() { return std::exchange(actions_, {}); }

bool ShardTable::is_settled() const { return is_open_ && !map_.members.empty() && untaken_ == 0; }

bool ShardTable::is_level() const { return is_settled() && moves_.empty() && misplaced().empty(); }

std::optional<NodeId> ShardTable::find_active_owner(ShardId shard) const {
  if (shard.value >= taken_.size() || taken_[shard.value] == Epoch{0}) return std::nullopt;
  return map_.owners[shard.value];
}

std::size_t ShardTable::count_owned(NodeId node) const { return owned_[node.value]; }

std::size_t ShardTable::count_on_their_way() const { return moves_.size() + untaken_; }

bool ShardTable::has_move_since(TimePoint time) const {
  return std::ranges::any_of(moves_, [&](const auto& move) { return move.second.begun <= time; });
}

/// Members that may get shards: those not drained, unless there are no others; of them the newest generation.
std::vector<NodeId> ShardTable::list_candidates() const {
  const auto is_drained = [&](const auto& member) { return draining_.contains(member.first); };
  const bool are_all_drained = std::ranges::all_of(generations_, is_drained);
  Generation newest{0};
  for (const auto& member : generations_)
    if (are_all_drained || !is_drained(member)) newest = std::max(newest, member.second);
  std::vector<NodeId> candidates;
  for (const auto& member : generations_)
    if (member.second == newest && (are_all_drained || !is_drained(member))) candidates.push_back(member.first);
  return candidates;
}

bool ShardTable::is_of_one_generation() const {
  return std::ranges::all_of(generations_,
                             [&](const auto& member) { return member.second == generations_.begin()->second; });
}

/// Where shards should be. A drained member's go to the others. Apart from that, shards are spread evenly, but not
/// while two generations run: a shard would move to the few new nodes, and again when there are more of them.
std::vector<NodeId> ShardTable::wanted_owners() const {
  const bool is_draining = std::ranges::any_of(draining_, [&](const auto& one) { return count_owned(one.first) > 0; });
  return is_draining || !is_of_one_generation() ? place_without(draining_) : place(list_candidates(), map_.owners);
}

/// Owners for shards that have none, or one of `leaving`; all others stay. A shard that only older generations could
/// take stays with its owner, or without one.
std::vector<NodeId> ShardTable::place_without(const std::map<NodeId, TimePoint>& leaving) const {
  const std::vector<NodeId> candidates = list_candidates();
  const Generation newest = candidates.empty() ? Generation{0} : generations_.at(candidates.front());
  std::vector<NodeId> staying;
  for (const auto& [node, generation] : generations_)
    if (!leaving.contains(node) || std::ranges::binary_search(candidates, node)) staying.push_back(node);
  std::vector<NodeId> owners = place_ownerless(candidates, staying, map_.owners);
  for (std::size_t shard = 0; shard < owners.size(); ++shard) {
    const NodeId owner = map_.owners[shard];
    if (owners[shard] == owner || newest_[shard] <= newest) continue;
    owners[shard] = generations_.contains(owner) ? owner : NodeId{0};
  }
  return owners;
}

const std::vector<ShardTable::Misplaced>& ShardTable::misplaced() const {
  if (misplaced_) return *misplaced_;
  misplaced_.emplace();
  const std::vector<NodeId> wanted = wanted_owners();
  for (std::uint32_t shard = 0; shard < wanted.size(); ++shard)
    if (wanted[shard] != map_.owners[shard]) misplaced_->push_back({ShardId{shard}, wanted[shard]});
  return *misplaced_;
}

void ShardTable::count_all() {
  owned_.assign(std::size_t{std::numeric_limits<decltype(NodeId::value)>::max()} + 1, 0);
  for (const NodeId owner : map_.owners) ++owned_[owner.value];
  untaken_ = static_cast<std::size_t>(std::ranges::count(taken_, Epoch{0}));
  misplaced_.reset();
}

void ShardTable::set_taken(ShardId shard, Epoch epoch) {
  Epoch& taken = taken_[shard.value];
  if (taken == Epoch{0}) --untaken_;
  taken = epoch;
  landing_.erase(shard);
  if (taken == Epoch{0}) ++untaken_;
}

/// For the next map.
void ShardTable::set_owner(ShardId shard, NodeId node) {
  NodeId& owner = map_.owners[shard.value];
  --owned_[owner.value];
  ++owned_[node.value];
  owner = node;
  misplaced_.reset();
  set_taken(shard, Epoch{0});
  map_.owned_since[shard.value] = map_.version.next();
  if (node == NodeId{0}) return;
  const Generation given = generations_.at(node);
  EPIC_ASSERT(given >= newest_[shard.value], "shard {} goes back to generation {}", shard, given);
  newest_[shard.value] = given;
}

void ShardTable::set_owners(const std::vector<NodeId>& owners) {
  for (std::uint32_t shard = 0; shard < owners.size(); ++shard)
    if (owners[shard] != map_.owners[shard]) set_owner(ShardId{shard}, owners[shard]);
}

void ShardTable::publish() {
  map_.version = map_.version.next();
  map_.moving.clear();
  for (const auto& [shard, move] : moves_) map_.moving.push_back(shard);
  map_.orphaned.clear();
  for (const auto& [shard, orphaned] : orphaned_) map_.orphaned.push_back(shard);
  actions_.push_back(Publish{map_});
}

}  // namespace epic::cluster
