#pragma once
// FaultMix: what goes wrong in a simulated cluster, drawn from the seed.
//
// To add a fault: a weight in FaultMix, a case in Faults::strike(), and, if it lasts, its end in Faults::end().

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/sim/cluster.hpp"

namespace epic::cluster::sim {

/// How often each occurs, beside the others; 0: never.
struct FaultMix {
  std::uint32_t crash = 6;          // a node's process ends
  std::uint32_t crash_two = 2;      // two at once
  std::uint32_t pause = 4;          // it stands still for a while, now and then for longer than a node may be silent
  std::uint32_t cut = 4;            // bytes between two nodes are held up, one way or both ways
  std::uint32_t cut_client = 2;     // between a client and a node
  std::uint32_t break_streams = 4;  // streams between two nodes end, with the loss of what was on its way
  std::uint32_t slow_network = 2;   // everything takes longer
  std::uint32_t full_disk = 2;
  std::uint32_t failed_write = 2;      // nobody knows what has reached the disk
  std::uint32_t clock_jump = 2;        // a wall clock jumps
  std::uint32_t crash_supervisor = 1;  // and its nodes
  std::uint32_t orphan_nodes = 0;      // it ends, and its nodes notice later: they may still answer what is stale
  std::uint32_t cut_power = 2;         // of all machines: what was not synced is gone
  std::uint32_t drain = 2;             // a node leaves, and comes back
  std::uint32_t restart_rolling = 1;

  /// Only what no call may fail of: planned moves, and a network and disk that are slow.
  [[nodiscard]] static FaultMix gentle();
};

class Faults {
 public:
  Faults(Cluster& cluster, const FaultMix& mix, std::uint16_t nodes, std::uint32_t clients)
      : cluster_(cluster), mix_(mix), nodes_(nodes), clients_(clients) {}

  /// One more. Returns what it was: "at 1.204 s: node-2 pauses for 400 ms".
  const std::string& strike();
  /// Undoes what lasts, so that the cluster can recover.
  void end();
  [[nodiscard]] const std::vector<std::string>& list() const { return struck_; }

 private:
  [[nodiscard]] std::uint16_t draw_node() { return static_cast<std::uint16_t>(1 + world().draw(nodes_)); }
  [[nodiscard]] nanoseconds draw_between(nanoseconds min, nanoseconds max);
  [[nodiscard]] World& world() { return cluster_.world(); }
  void later(nanoseconds delay, std::function<void()> event);
  std::string crash(std::uint16_t node);
  std::string pause();
  std::string cut(Place one, Place other);
  std::string break_streams();
  std::string slow_network();
  std::string fill_disk();
  std::string cut_power();
  std::string drain();
  std::string crash_supervisor(nanoseconds nodes_survive);
  void move_client();

  Cluster& cluster_;
  FaultMix mix_;
  std::uint16_t nodes_;
  std::uint32_t clients_;
  std::vector<std::string> struck_;
};

}  // namespace epic::cluster::sim
