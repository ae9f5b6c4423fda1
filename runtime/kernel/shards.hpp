#pragma once
// Shards: who owns what, as this node sees it, and the calls that wait until that is settled.
//
// Coordination publishes maps; a shard that a map gives to this node is usable once the store has raised its epoch. A
// shard that is asked back is drained first. Calls to a shard that is nobody's, or drained, are parked in the order in
// which they were made, and a caller sends nothing to a new owner while calls to the old one are unanswered: so calls
// between two entities start in order across a move. An owner that gets a shard back is a new one.

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "kernel/entity_lock.hpp"
#include "kernel/ids.hpp"
#include "kernel/messages.hpp"

namespace epic::kernel {

struct Shard {
  enum class Local : std::uint8_t {
    none,       // another's, or nobody's
    taking,     // given to us; the store has been asked
    active,     // ours
    releasing,  // ours, and closed, to be given back once drained
  };
  /// It was asked back: closed and open by turns, until it is drained (kernel_moves.cpp).
  struct Release {
    std::int64_t closed_ns = 0;  // since when, or the last time
    std::int64_t turn_ns = 0;    // then it is looked at again
    std::int64_t window_ns = 0;  // for so long it is closed
  };
  NodeId owner;  // by the newest map
  Local local = Local::none;
  Epoch epoch;                     // while ours
  CommitNumber sealed_in{0};       // the newest batch that has a change in it
  std::optional<Release> release;  // while active or releasing
  std::uint32_t sent = 0;          // our calls that are unanswered at `sent_to`
  PeerAddress sent_to;
  MapVersion sent_version;        // the map that the last of them went by
  std::deque<RecordRef> parked;   // by sequence
  bool waits_for_commit = false;  // the first of them depends on one
  bool is_blocked = false;        // its owner refused, or is gone: nothing is sent until a newer map, or a while later
};

class Shards {
 public:
  explicit Shards(std::uint16_t count) : shards_(count) {}

  [[nodiscard]] Shard& at(ShardId shard) { return shards_[shard.value]; }
  [[nodiscard]] const Shard& at(ShardId shard) const { return shards_[shard.value]; }
  [[nodiscard]] std::uint16_t count() const { return static_cast<std::uint16_t>(shards_.size()); }
  [[nodiscard]] MapVersion version() const { return map_.version; }
  [[nodiscard]] const ShardMap& map() const { return map_; }
  void set_map(ShardMap map) { map_ = std::move(map); }

  /// Calls that were made by an older map belong to a time before this owner's, even if it has had the shard before.
  [[nodiscard]] MapVersion owned_since(ShardId shard) const {
    return shard.value < map_.owned_since.size() ? map_.owned_since[shard.value] : MapVersion{};
  }

  /// The member in a slot, as the newest map has it; an address with life 0 when there is none.
  [[nodiscard]] PeerAddress address_of(NodeId node) const {
    for (const ShardMap::Member& member : map_.members)
      if (member.node == node) return {node, member.incarnation.value};
    return {node, 0};
  }

  /// Parks in the order of the calls' sequence numbers: a refused call goes before younger ones.
  static void park(Shard& shard, RecordRef record) {
    while (!shard.parked.empty() && shard.parked.front()->failure) shard.parked.pop_front();  // have stopped waiting
    auto place = shard.parked.end();
    while (place != shard.parked.begin() && (*std::prev(place))->sequence > record->sequence) --place;
    shard.parked.insert(place, std::move(record));
  }

 private:
  std::vector<Shard> shards_;
  ShardMap map_;
};

}  // namespace epic::kernel
