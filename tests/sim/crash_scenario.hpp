#pragma once
// Clients of the ledger on simulated nodes under faults; afterwards the acknowledged changes are checked. A small,
// exactly repeatable version of what tests/integration/node/crash_test.cpp does with real processes.

#include <cstdint>
#include <string>
#include <vector>

namespace epic::test {

enum class Fate : std::uint8_t {
  crashes,    // nodes crash at any moment and restart, shards move, nodes drain
  partition,  // a live node is taken for dead and keeps running while its shards go to others
  moves,      // shards move and no node dies, so no call may fail
};

/// The violations found; empty if there are none.
[[nodiscard]] std::vector<std::string> run_crash_scenario(Fate fate, std::uint64_t seed);

}  // namespace epic::test
