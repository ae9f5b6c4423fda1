#pragma once
// Departures: nodes that leave a running fabric.
//
// A drained node keeps running until its shards have moved to the others; then its process is asked to stop. All of
// that shares one grace: the process has for its end what running calls have left of it, but at least kStopGraceMin.
//
// Not here: how shards move (shard_table.hpp), the stop of the whole fabric (fabric_runner.cpp).

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>

#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/shard_table.hpp"

namespace epic::cluster {

/// Single-threaded.
class Departures {
 public:
  using TimePoint = ShardTable::TimePoint;
  /// A process that owns nothing any longer has at least this long to end.
  static constexpr std::chrono::milliseconds kStopGraceMin{500};

  Departures(Host& host, const SupervisorOptions& options, Fleet& fleet, ShardTable& shards,
             std::function<void(std::string)> say)
      : host_(host), options_(options), fleet_(fleet), shards_(shards), say_(std::move(say)) {}

  /// Its shards move to the others, then its process stops, and is not restarted. Refused for the only node.
  [[nodiscard]] std::expected<void, SupervisorError> drain(kernel::NodeId node);
  /// Starts nodes up to this number, and drains those above it.
  void scale(std::uint16_t node_count);
  /// `announced`: when the grace of its running calls began.
  void leave(kernel::NodeId node, Afterwards afterwards, TimePoint announced);
  /// Stops nodes that own nothing any longer.
  void advance();

 private:
  Host& host_;
  const SupervisorOptions& options_;
  Fleet& fleet_;
  ShardTable& shards_;
  std::function<void(std::string)> say_;
  std::map<kernel::NodeId, TimePoint> announced_;
};

}  // namespace epic::cluster
