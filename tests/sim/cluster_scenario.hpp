#pragma once
// Clients of the ledger in a simulated cluster (cluster/sim) under a mix of faults; afterwards the cluster must become
// healthy, and checkers that know nothing of the implementation judge what happened.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "cluster/sim/faults.hpp"

namespace epic::test {

/// Different rules for what may happen to a call, so each seed has one of them: every fourth is gentle, every fourth
/// has orphans, every eighth is leased, and every eighth has several machines.
enum class ClusterKind : std::uint8_t {
  usual,
  gentle,    // nodes come and go as planned: no call may fail
  orphans,   // nodes outlive their supervisor: a read may be stale, a change not
  leased,    // the same where each supervisor has a lease: nothing may be stale
  machines,  // two to four at a time, over a database: nothing may be stale
};

struct ClusterRun {
  std::uint64_t seed = 1;
  std::chrono::nanoseconds duration = std::chrono::seconds(30);  // simulated, under faults
  std::vector<std::size_t> faults = {};                          // only these of the seed's schedule; empty: all
  std::uint32_t reshardings = 0;                                 // the weight of that fault; for the usual kind
};

[[nodiscard]] ClusterKind kind_of(std::uint64_t seed);

struct ClusterResult {
  std::vector<std::string> violations;  // empty: all is well
  std::vector<std::string> faults;
  std::vector<std::string> log;  // the last lines of the supervisor, if there are violations
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t unknown = 0;
  std::int64_t simulated_ms = 0;
};

/// In this process, whose state it changes: two runs of one seed in one process may differ.
[[nodiscard]] ClusterResult run_cluster(const ClusterRun& run);
/// In a process of its own. One that dies is a violation.
[[nodiscard]] ClusterResult run_cluster_apart(const ClusterRun& run);

}  // namespace epic::test
