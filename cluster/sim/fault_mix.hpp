#pragma once
// FaultMix: what goes wrong in a simulated cluster, and when: a schedule drawn from the seed before the run begins.
//
// A fault carries the number that all of its own chance comes from (which node, how long), and takes nothing from the
// world's generator. So a run with some faults left out has the same others at the same times, and a schedule that
// fails can be shrunk.
//
// To add a fault: a weight in FaultMix, a kind with the same name, a line in fault_mix.cpp, a case in faults.cpp.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cluster/sim/world.hpp"

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
  std::uint32_t restart_rolling = 1;   // with a new copy of the module
  std::uint32_t slow_pair = 2;         // everything between two nodes takes longer
  std::uint32_t half_open = 2;         // streams between two places end for one side only
  std::uint32_t reconnect_storm = 2;   // all streams break again and again
  std::uint32_t slow_disk = 2;
  std::uint32_t death_in_write = 3;  // a process ends within a transaction
  std::uint32_t long_turn = 3;       // a node's main thread does nothing else for a while
  std::uint32_t scale = 2;           // nodes leave or join, and come back or leave
  std::uint32_t restart_at_once =
      1;  // all nodes stop, then start with a new copy of the module, or with the old one if that is bad
  std::uint32_t rejected_module = 1;  // a rolling restart with a copy that cannot be loaded
  std::uint32_t crash_leaving = 2;    // a node is drained, and its process ends before its shards have left
  std::uint32_t failed_open = 2;      // the supervisor or all machines end, and the disk fails as they open the store
  std::uint32_t standstill = 0;       // machines of nodes stop with their clocks, are replaced, and go on
  std::uint32_t pause_in_tick = 0;    // a node stands still in the middle of a tick, for longer than a lease
  std::uint32_t lose_machine = 0;     // a supervisor dies; its nodes live on, some paused, until another leads
  std::uint32_t lose_service = 0;     // the coordination service is away
  std::uint32_t slow_service = 0;     // … or slow to answer; these four where there is a lease
  std::uint32_t resharding = 0;       // all ends, and goes on with another number of shards; not beside orphans

  // With several machines:
  std::uint32_t crash_machine = 0;  // all its processes end
  std::uint32_t crash_leader = 0;   // … that of the leader, mostly while shards move
  std::uint32_t pause_machine = 0;  // it stands still, mostly beyond its lease, some nodes in the middle of a tick
  std::uint32_t cut_machines = 0;   // bytes between two machines are held up, one way or both ways
  std::uint32_t break_links = 0;    // the links between supervisors end
  std::uint32_t lose_contact = 0;   // one machine cannot reach the coordination service, mostly nor the others
  std::uint32_t stop_machine = 0;   // a supervisor is asked to stop: its machine leaves, or the fabric stops
  std::uint32_t lose_database = 0;  // it cannot be reached
  std::uint32_t break_commits = 0;  // connections to it break at a commit, whose outcome is unknown then
  std::uint32_t part_machines = 0;  // two machines are cut from each other for so long that one is evicted

  /// On several machines, over a database.
  [[nodiscard]] static FaultMix machines();
  /// Only what no call may fail of: planned moves, and a network and disk that are slow.
  [[nodiscard]] static FaultMix gentle();
};

/// The members of FaultMix.
enum class FaultKind : std::uint8_t {
  crash,
  crash_two,
  pause,
  cut,
  cut_client,
  break_streams,
  slow_network,
  full_disk,
  failed_write,
  clock_jump,
  crash_supervisor,
  orphan_nodes,
  cut_power,
  drain,
  restart_rolling,
  slow_pair,
  half_open,
  reconnect_storm,
  slow_disk,
  death_in_write,
  long_turn,
  scale,
  restart_at_once,
  rejected_module,
  crash_leaving,
  failed_open,
  standstill,
  pause_in_tick,
  lose_machine,
  lose_service,
  slow_service,
  resharding,
  crash_machine,
  crash_leader,
  pause_machine,
  cut_machines,
  break_links,
  lose_contact,
  stop_machine,
  lose_database,
  break_commits,
  part_machines,
};

struct Fault {
  std::size_t number;  // in its schedule, from 0; it keeps it when others are left out
  nanoseconds at;      // after the beginning of the schedule
  FaultKind kind;
  std::uint64_t chance;
};

struct ScheduleOptions {
  nanoseconds duration = std::chrono::seconds(30);
  nanoseconds every = std::chrono::seconds(2);  // on average
  std::size_t count_min = 10;                   // even if that takes longer
};

/// In the order of time; empty if the mix is. Equal seeds and options give equal schedules.
[[nodiscard]] std::vector<Fault> draw_schedule(std::uint64_t seed, const FaultMix& mix,
                                               const ScheduleOptions& options = {});

}  // namespace epic::cluster::sim
