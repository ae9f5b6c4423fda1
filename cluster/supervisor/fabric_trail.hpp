#pragma once
// FabricTrail: recent events of nodes and shards, for `epic events`; bounded, in memory.
//
// Nodes keep the events of their entities themselves. This holds what no node can report: that a node is ready, how one
// died, and which shards moved between which nodes; an entity of such a shard has moved with it.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "kernel/messages.hpp"
#include "protocol/control_entities.hpp"
#include "protocol/machines.hpp"

namespace epic::cluster {

/// Single-threaded.
class FabricTrail {
 public:
  using Time = std::chrono::system_clock::time_point;

  static constexpr std::size_t kEntriesMax = 4096;
  static constexpr std::size_t kNotedMax = 200;

  struct Entry {
    std::uint64_t number = 0;  // from 1
    Time time = {};
    std::string node;  // "node-2", or a machine that is evicted
    std::string what;  // "ready", "died", "ended", "moved", "quarantined", "released", "evicted"
    std::string why = {};
    std::optional<std::chrono::microseconds> took = {};
    std::vector<kernel::ShardId> shards = {};  // that moved
    std::string entity = {};                   // that it is about, too, as in the store
  };

  /// Assigns the entry its number.
  void add(Entry entry);
  /// Shards with another owner than in the previous maps. Moving shards count when they have arrived.
  void on_map(const kernel::ShardMap& map, Time now);

  /// For the next leader: the last kNotedMax events without shards.
  [[nodiscard]] std::vector<protocol::FabricNotes::Event> note() const;
  /// What a former leader has noted, and to whom it had given the shards.
  void go_on(const std::vector<protocol::FabricNotes::Event>& noted, std::vector<kernel::NodeId> owners);

  /// Events after `number`, oldest first, in the form of the nodes' lists. With an entity and its shard: only those
  /// about them.
  [[nodiscard]] std::vector<protocol::control::Events::Timed> list(std::uint64_t number,
                                                                   std::optional<kernel::ShardId> shard,
                                                                   const std::string& entity = {}) const;
  [[nodiscard]] std::uint64_t newest() const { return newest_; }

 private:
  std::deque<Entry> entries_;
  std::uint64_t newest_ = 0;
  std::vector<kernel::NodeId> owners_;  // by shard, the last known
};

}  // namespace epic::cluster
