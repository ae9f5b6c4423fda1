#pragma once
// FabricTrail: what has lately happened to the nodes and their shards, for `epic events`; bounded, in memory.
//
// Nodes keep the trail of their entities themselves. What no node can tell is here: that one is ready, how one died,
// and which shards went from whom to whom; from which follows that an entity of such a shard has moved.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "kernel/messages.hpp"
#include "protocol/control_entities.hpp"

namespace epic::cluster {

/// One thread.
class FabricTrail {
 public:
  using Time = std::chrono::system_clock::time_point;

  static constexpr std::size_t kEntriesMax = 4096;

  struct Entry {
    std::uint64_t number = 0;  // from 1
    Time time = {};
    std::string node;  // "node-2"
    std::string what;  // "ready", "died", "ended", "moved"
    std::string why = {};
    std::optional<std::chrono::microseconds> took = {};
    std::vector<kernel::ShardId> shards = {};  // that moved
  };

  /// Gives it its number.
  void add(Entry entry);
  /// Shards that have another owner than in the maps before. Those that are on their way count when they have arrived.
  void on_map(const kernel::ShardMap& map, Time now);

  /// Those after `number`, oldest first, as nodes list theirs. With a shard: only moves of that one.
  [[nodiscard]] std::vector<protocol::control::Events::Timed> list(std::uint64_t number,
                                                                   std::optional<kernel::ShardId> shard) const;
  [[nodiscard]] std::uint64_t newest() const { return newest_; }

 private:
  std::deque<Entry> entries_;
  std::uint64_t newest_ = 0;
  std::vector<kernel::NodeId> owners_;  // by shard, the last that there was
};

}  // namespace epic::cluster
