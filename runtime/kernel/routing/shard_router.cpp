#include "kernel/routing/shard_router.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "kernel/assert.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

PeerAddress ShardRouter::find_way(const RoutedCall& call) const {
  const PeerAddress owner = address_of(owner_of(call.shard));
  if (owner.life == 0 || blocked_.contains(owner)) return {};
  const auto found = shards_.find(call.shard);
  if (found == shards_.end()) return owner;
  const Shard& shard = found->second;
  const bool must_wait = shard.is_blocked || is_behind_another(shard, call) || is_former_owner_asked(shard, call.shard);
  return must_wait ? PeerAddress{} : owner;
}

bool ShardRouter::is_former_owner_asked(ShardId id) const {
  const auto found = shards_.find(id);
  return found != shards_.end() && is_former_owner_asked(found->second, id);
}

bool ShardRouter::is_former_owner_asked(const Shard& shard, ShardId id) const {
  return shard.sent > 0 && (shard.sent_to != address_of(owner_of(id)) || shard.sent_version < owned_since(id));
}

bool ShardRouter::is_behind_another(const RoutedCall& call) const {
  const auto found = shards_.find(call.shard);
  return found != shards_.end() && is_behind_another(found->second, call);
}

bool ShardRouter::is_behind_another(const Shard& shard, const RoutedCall& call) {
  const Line& line = call.has_arrived() ? shard.arrived : shard.parked;
  return !line.empty() && line.begin()->first < call.sequence;
}

// ---- the calls ----

void ShardRouter::park(RoutedCall& call) {
  EPIC_ASSERT(call.place == RoutedCall::Place::free, "call {} is parked or sent already", call.sequence);
  call.place = RoutedCall::Place::parked;
  line_of(shards_[call.shard], call).emplace(call.sequence, &call);
}

void ShardRouter::on_sent(RoutedCall& call, const PeerAddress& to) {
  EPIC_ASSERT(call.place == RoutedCall::Place::free, "call {} is parked or sent already", call.sequence);
  call.place = RoutedCall::Place::sent;
  call.sent_to = to;
  call.sent_version = map_.version;
  Shard& shard = shards_[call.shard];
  ++shard.sent;
  shard.sent_to = to;
  shard.sent_version = map_.version;
  sent_[to].emplace(call.sequence, &call);
  ++sent_count_;
}

void ShardRouter::on_refused(RoutedCall& call, std::int64_t now_ns) {
  const bool is_map_current = call.sent_version == map_.version;
  Shard& shard = shards_.at(call.shard);
  if (is_map_current) {
    shard.is_blocked = true;
    retry_later(now_ns);
  }
  erase_sent(call);
  const bool is_last = --shard.sent == 0;
  call.place = RoutedCall::Place::free;
  park(call);
  if (is_last) retry_own(call.shard);
}

void ShardRouter::forget(RoutedCall& call) {
  const ShardId id = call.shard;
  const auto was = std::exchange(call.place, RoutedCall::Place::free);
  if (was == RoutedCall::Place::free) return;
  Shard& shard = shards_.at(id);
  if (was == RoutedCall::Place::parked) {
    line_of(shard, call).erase(call.sequence);
  } else {
    erase_sent(call);
    if (--shard.sent == 0 && !shard.parked.empty()) return retry_own(id);
  }
  if (is_unused(shard)) shards_.erase(id);
}

void ShardRouter::erase_sent(const RoutedCall& call) {
  const auto erase_from = [&call](Sent& calls) {
    const auto found = calls.find(call.sequence);
    if (found == calls.end()) return false;
    calls.erase(found);
    return true;
  };
  if (const auto sent = sent_.find(call.sent_to); sent != sent_.end() && erase_from(sent->second)) return;
  for (auto lost = lost_.begin(); lost != lost_.end(); ++lost) {
    if (!erase_from(lost->second)) continue;
    if (lost->second.empty()) lost_.erase(lost);
    return;
  }
}

void ShardRouter::lose(const PeerAddress& peer, bool has_refused) {
  auto calls = sent_.extract(peer);
  if (!calls.empty() && !calls.mapped().empty()) lost_.emplace_back(has_refused, std::move(calls.mapped()));
}

std::vector<ShardRouter::Lost> ShardRouter::list_lost(std::size_t count) const {
  std::vector<Lost> listed;
  for (const auto& [has_refused, calls] : lost_)
    for (const auto& [sequence, call] : calls) {
      if (listed.size() == count) return listed;
      listed.push_back({call, has_refused});
    }
  return listed;
}

RoutedCall* ShardRouter::find_sent(const PeerAddress& peer, std::uint64_t sequence) const {
  const auto calls = sent_.find(peer);
  if (calls == sent_.end()) return nullptr;
  const auto found = calls->second.find(sequence);
  return found == calls->second.end() ? nullptr : found->second;
}

std::vector<RoutedCall*> ShardRouter::list_sent(const PeerAddress& peer) const {
  std::vector<RoutedCall*> calls;
  if (const auto found = sent_.find(peer); found != sent_.end())
    for (const auto& [sequence, call] : found->second) calls.push_back(call);
  std::ranges::sort(calls, {}, &RoutedCall::sequence);
  return calls;
}

std::vector<PeerAddress> ShardRouter::list_asked() const {
  std::vector<PeerAddress> peers;
  for (const auto& [peer, calls] : sent_)
    if (!calls.empty()) peers.push_back(peer);
  return peers;
}

// ---- the map, and what is blocked ----

bool ShardRouter::set_map(ShardMap map) {
  if (map.version <= map_.version) return false;
  map_ = std::move(map);
  lives_.clear();
  for (const ShardMap::Member& member : map_.members) {
    if (member.node.value >= lives_.size()) lives_.resize(member.node.value + 1);
    lives_[member.node.value] = member.incarnation.value;
  }
  std::erase_if(sent_,
                [this](const auto& sent) { return sent.second.empty() && address_of(sent.first.node) != sent.first; });
  return true;
}

void ShardRouter::forget_map() {
  map_ = {};
  lives_.clear();
}

void ShardRouter::block(const PeerAddress& peer, std::int64_t now_ns) {
  blocked_.insert(peer);
  retry_later(now_ns);
}

void ShardRouter::retry_later(std::int64_t now_ns) {
  if (!retry_at_ns_) retry_at_ns_ = now_ns + std::chrono::nanoseconds(limits::kRetryParked).count();
}

/// Those after the shard that has had the last of the room before come first: otherwise one whose calls keep coming
/// would leave no room for others.
void ShardRouter::on_room(const PeerAddress& at) {
  std::vector<ShardId> waiting;
  for (const ShardId id : list_shards(shards_))
    if (!shards_.at(id).parked.empty() && address_of(owner_of(id)) == at) waiting.push_back(id);
  std::ranges::rotate(waiting, std::ranges::upper_bound(waiting, had_room_last_));
  for (const ShardId id : waiting) {
    const std::uint64_t sent_before = sent_count_;
    retry_own(id);
    if (sent_count_ != sent_before) had_room_last_ = id;
  }
}

void ShardRouter::retry(ShardId id, Pace pace) { give_turns(id, {.has_arrived = true}, pace); }

/// What has arrived here does not wait for what is blocked or unanswered elsewhere.
void ShardRouter::retry_own(ShardId id) {
  const auto rest = rests_.find(id);
  give_turns(id, rest == rests_.end() ? Rest{} : rest->second, Pace::sliced);
}

bool ShardRouter::may_be_sent(const RoutedCall& call) const {
  const PeerAddress owner = find_way(call);
  return owner.life != 0 && owner != self_;
}

void ShardRouter::give_turns(ShardId id, Rest rest, Pace pace) {
  rests_.erase(id);
  bool must_wait = false;  // those made here
  bool is_short = false;   // this tick has no room for them
  for (auto found = shards_.find(id); found != shards_.end(); found = shards_.find(id)) {
    Shard& shard = found->second;
    const auto own = must_wait ? shard.parked.end() : shard.parked.begin();
    const auto arrived = rest.has_arrived ? shard.arrived.upper_bound(rest.after) : shard.arrived.end();
    const bool has_own = own != shard.parked.end();
    rest.has_arrived = arrived != shard.arrived.end();
    if (!has_own && !rest.has_arrived) break;
    const bool is_own = has_own && (!rest.has_arrived || own->first < arrived->first);
    RoutedCall& call = is_own ? *own->second : *arrived->second;
    if (turns_left_ == 0 && (is_own ? may_be_sent(call) : pace == Pace::sliced)) {
      is_short = true;
      if (!is_own) break;
      must_wait = true;
      continue;
    }
    const std::uint64_t sequence = call.sequence;
    const std::uint64_t sent_before = sent_count_;
    if (is_own)
      shard.parked.erase(own);
    else
      shard.arrived.erase(arrived);
    call.place = RoutedCall::Place::free;
    listener_.route(call);
    if (turns_left_ > 0 && (is_own ? sent_count_ != sent_before : pace == Pace::sliced)) --turns_left_;
    if (!is_own) {
      rest.after = sequence;
    } else if (const auto after = shards_.find(id); after != shards_.end()) {
      const Line& parked = after->second.parked;
      must_wait = !parked.empty() && parked.begin()->first <= sequence;
    }
  }
  if (is_short) rests_.insert_or_assign(id, rest);
  remove_if_unused(id);
}

std::vector<ShardId> ShardRouter::unblock_all() {
  retry_at_ns_.reset();
  blocked_.clear();
  for (auto& [id, shard] : shards_) shard.is_blocked = false;
  return list_shards(shards_);
}

void ShardRouter::on_time(std::int64_t now_ns) {
  turns_left_ = limits::kRoutedPerTick;
  if (retry_at_ns_ && *retry_at_ns_ <= now_ns)
    for (const ShardId id : unblock_all()) retry_own(id);
  std::vector<ShardId> rest;
  for (const auto& [id, of] : rests_) rest.push_back(id);
  for (const ShardId id : rest)
    if (turns_left_ > 0 && rests_.contains(id)) retry_own(id);
}

void ShardRouter::remove_if_unused(ShardId id) {
  const auto shard = shards_.find(id);
  if (shard != shards_.end() && is_unused(shard->second)) shards_.erase(shard);
}

bool ShardRouter::is_unused(const Shard& shard) {
  return shard.parked.empty() && shard.arrived.empty() && shard.sent == 0 && !shard.is_blocked;
}

}  // namespace epic::kernel
