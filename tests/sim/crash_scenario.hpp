#pragma once
// Clients of the ledger on simulated nodes to which things happen; what they were told is judged afterwards. The same
// in small, and repeatable to the byte, as tests/integration/node/crash_test.cpp does with real processes.

#include <cstdint>
#include <string>
#include <vector>

namespace epic::test {

enum class Fate : std::uint8_t {
  crashes,    // nodes die at any moment and come back, shards move, nodes drain
  partition,  // a node is taken for dead and goes on; its shards are given to others meanwhile
  moves,      // shards move and nothing dies, so no call may fail
};

/// What was violated; empty: nothing.
[[nodiscard]] std::vector<std::string> run_crash_scenario(Fate fate, std::uint64_t seed);

}  // namespace epic::test
