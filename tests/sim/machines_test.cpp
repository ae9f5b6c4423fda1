// Several machines, each with its supervisor, in a simulated cluster: what happens under a mix of faults, and when the
// leader dies. Each eighth seed of cluster_sweep.cpp is of this kind.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/sim/cluster.hpp"
#include "sim/cluster_scenario.hpp"
#include "support/sanitizers.hpp"

using namespace epic;
using namespace std::chrono_literals;
using cluster::sim::Cluster;
using cluster::sim::SimClient;
using epic::test::ClusterResult;
using epic::test::run_cluster_apart;

namespace {

constexpr std::uint64_t kEverySeed = 8;
constexpr std::uint64_t kMachinesSeeds = epic::test::kIsSanitized ? 1 : 4;

class Tally : public Entity {
  std::int64_t number_ = 0;

 public:
  Task<std::int64_t> count() { co_return ++number_; }
  EPIC_ENTITY(Tally, state(number_), methods(count))
};

const ModuleInfo& tallies() {
  static const EntityInfoFn entities[] = {&Tally::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct SimulatedMachines {
  Cluster cluster{{.seed = 1,
                   .nodes = 4,
                   .disk = {.is_server = true},
                   .lease = cluster::LeaseSettings{.timeout = 2s, .margin = 400ms},
                   .machines = 2},
                  tallies()};
  SimClient& client;

  SimulatedMachines() : client((cluster.start(), cluster.add_client())) {
    REQUIRE(cluster.world().run_until([this] { return cluster.is_ready() && cluster.find_leader(); }, 20s));
  }

  /// Empty: it has failed, or has not ended within that time.
  std::optional<std::int64_t> count(const std::string& key, std::chrono::nanoseconds within = 40s) {
    struct Outcome {
      std::optional<std::int64_t> result;
      bool has_ended = false;
    };
    const auto outcome = std::make_shared<Outcome>();  // shared with the call
    cluster.world().enter(client.process_id(), [&] {
      client.start<std::int64_t>(Ref<Tally>(key)->count(), [outcome](detail::ResultRecord<std::int64_t>& record) {
        outcome->has_ended = true;
        try {
          outcome->result = record.take();
        } catch (const std::exception&) {
        }
      });
    });
    cluster.world().run_until([&] { return outcome->has_ended; }, within);
    return outcome->result;
  }
  std::map<std::uint16_t, cluster::sim::ProcessId> nodes_on(std::size_t machine) {
    std::map<std::uint16_t, cluster::sim::ProcessId> nodes;
    for (std::uint16_t node = 1; node <= 8; ++node)
      if (cluster.is_on(node, machine)) nodes.emplace(node, cluster.find_node(node)->process_id());
    return nodes;
  }
};

}  // namespace

TEST_CASE("machines: on several, under faults, nothing acknowledged is lost and nothing stale is shown", "[sim]") {
  for (std::uint64_t seed = kEverySeed; seed <= kMachinesSeeds * kEverySeed; seed += kEverySeed) {
    REQUIRE(epic::test::kind_of(seed) == epic::test::ClusterKind::machines);
    const ClusterResult result = run_cluster_apart({.seed = seed});
    INFO("EPIC_SEED=" << seed);
    CHECK(result.violations == std::vector<std::string>{});
    CHECK(result.acknowledged > 0);
  }
}

TEST_CASE("machines: one seed gives one history with several, to the byte", "[sim]") {
  const ClusterResult once = run_cluster_apart({.seed = kEverySeed, .duration = 5s});
  const ClusterResult again = run_cluster_apart({.seed = kEverySeed, .duration = 5s});
  CHECK(once.digest == again.digest);
  CHECK(once.events == again.events);
  CHECK(once.events > 1000);
}

TEST_CASE("machines: when that of the leader dies another leads, its nodes go on, and every shard has an owner",
          "[sim]") {
  SimulatedMachines f;
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) REQUIRE(f.count(key) == 1);
  const std::size_t former = *f.cluster.find_leader();
  const std::size_t other = 1 - former;
  const auto before = f.nodes_on(other);
  REQUIRE(before.size() == 2);

  f.cluster.crash_machine(former, 1min);
  CHECK(f.cluster.world().run_until([&] { return f.cluster.find_leader() == other; }, 20s));
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) CHECK(f.count(key).value_or(2) == 2);
  CHECK(f.nodes_on(other) == before);
}

TEST_CASE("machines: one that stood still beyond its lease is replaced, and comes back with new nodes", "[sim]") {
  SimulatedMachines f;
  REQUIRE(f.count("a") == 1);
  const std::size_t paused = 1 - *f.cluster.find_leader();
  const auto before = f.nodes_on(paused);

  f.cluster.pause_machine(paused, 6s, cluster::sim::SimMachine::Clock::counts);
  f.cluster.world().run_for(4s);
  for (const char* key : {"b", "c", "d", "e", "f"}) CHECK(f.count(key).has_value());
  f.cluster.world().run_for(8s);
  const auto after = f.nodes_on(paused);
  CHECK(after.size() == 2);
  for (const auto& [node, process] : after) CHECK((!before.contains(node) || before.at(node) != process));
}

TEST_CASE("machines: calls that one has not answered when it stands still do not hold up others beyond its lease",
          "[sim]") {
  SimulatedMachines f;
  const std::vector<std::string> keys{"a", "b", "c", "d", "e", "f"};
  for (const std::string& key : keys) REQUIRE(f.count(key) == 1);
  f.cluster.pause_machine(1 - *f.cluster.find_leader(), 1min, cluster::sim::SimMachine::Clock::counts);
  for (const std::string& key : keys) static_cast<void>(f.count(key, 1ms));

  f.cluster.world().run_for(4s);
  for (const std::string& key : keys) CHECK(f.count(key, 1s).value_or(0) >= 2);
}
