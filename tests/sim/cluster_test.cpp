// The production supervisor, nodes and clients in a simulated cluster under faults. cluster_sweep.cpp runs many more
// seeds.

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "sim/cluster_scenario.hpp"
#include "support/sanitizers.hpp"

using epic::test::ClusterResult;
using epic::test::run_cluster_apart;

namespace {

constexpr std::uint64_t kClusterSeeds = epic::test::kIsSanitized ? 2 : 15;

std::string describe(const ClusterResult& result) {
  std::string text;
  for (const std::string& violation : result.violations) text += violation + "\n";
  for (const std::string& fault : result.faults) text += "  " + fault + "\n";
  for (const std::string& line : result.log) text += "    " + line + "\n";
  return text;
}

}  // namespace

TEST_CASE("cluster: nothing acknowledged is lost, every call ends, and the fabric recovers, whatever goes wrong",
          "[sim]") {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kClusterSeeds : 1); ++seed) {
    const ClusterResult result = run_cluster_apart({.seed = seed});
    INFO("EPIC_SEED=" << seed << "\n" << describe(result));
    CHECK(result.violations.empty());
  }
}

TEST_CASE("cluster: all that holds while the store gets other numbers of shards again and again", "[sim]") {
  constexpr std::uint32_t kWeight = 20;  // about every third fault
  for (std::uint64_t seed = 1; seed <= kClusterSeeds / 2 + 3; ++seed) {
    if (epic::test::kind_of(seed) != epic::test::ClusterKind::usual) continue;
    const ClusterResult result = run_cluster_apart({.seed = seed, .reshardings = kWeight});
    INFO("seed " << seed << "\n" << describe(result));
    CHECK(result.violations.empty());
    CHECK(result.acknowledged > 0);
    CHECK(std::ranges::any_of(result.faults, [](const std::string& fault) { return fault.contains(" shards"); }));
  }
}

TEST_CASE("cluster: one seed gives one history, to the byte", "[sim]") {
  for (std::uint64_t seed = 1; seed <= (epic::test::kIsSanitized ? 1 : 2); ++seed) {
    const ClusterResult once = run_cluster_apart({.seed = seed, .duration = std::chrono::seconds(5)});
    const ClusterResult again = run_cluster_apart({.seed = seed, .duration = std::chrono::seconds(5)});
    INFO("EPIC_SEED=" << seed);
    CHECK(once.digest == again.digest);
    CHECK(once.events == again.events);
    CHECK(once.events > 1000);
  }
}
