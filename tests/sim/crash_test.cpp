// Crashes, partitions and moves under clients, on simulated nodes. tests/sabotage shows that these tests notice a
// missing safeguard.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "sim/crash_scenario.hpp"

using epic::test::Fate;
using epic::test::run_crash_scenario;

namespace {

constexpr std::uint64_t kSeeds = 25;

void check(Fate fate) {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    for (const std::string& violation : run_crash_scenario(fate, seed)) FAIL_CHECK(violation);
  }
}

}  // namespace

TEST_CASE("crash: nothing acknowledged is lost and no two activations coexist, whichever nodes die", "[sim]") {
  check(Fate::crashes);
}

TEST_CASE("crash: a node that is taken for dead but keeps running can no longer save", "[sim]") {
  check(Fate::partition);
}

TEST_CASE("crash: while shards move and no node dies, no call fails", "[sim]") { check(Fate::moves); }
