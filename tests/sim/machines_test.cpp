// Several machines, each with its supervisor, in a simulated cluster: what happens under a mix of faults, and when the
// leader dies. Each eighth seed of cluster_sweep.cpp is of this kind.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <functional>
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
  Task<std::int64_t> count_at(Ref<Tally> other) { co_return co_await other->count(); }
  EPIC_ENTITY(Tally, state(number_), methods(count, count_at))
};

const ModuleInfo& tallies() {
  static const EntityInfoFn entities[] = {&Tally::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct SimulatedMachines {
  Cluster cluster;
  SimClient& client;

  /// Returns when every machine has its nodes.
  explicit SimulatedMachines(std::size_t machines = 2, std::uint64_t seed = 1)
      : cluster({.seed = seed,
                 .nodes = 4,
                 .disk = {.is_server = true},
                 .lease = cluster::LeaseSettings{.timeout = 2s, .margin = 400ms},
                 .machines = machines},
                tallies()),
        client((cluster.start(), cluster.add_client())) {
    REQUIRE(cluster.world().run_until([this] { return cluster.is_ready() && cluster.find_leader() && are_all_there(); },
                                      20s));
  }

  bool are_all_there() {
    std::size_t nodes = 0;
    for (std::size_t machine = 0; machine < cluster.count_machines(); ++machine) nodes += nodes_on(machine).size();
    return nodes == 4;
  }
  /// Empty: it has failed, or has not ended within that time.
  std::optional<std::int64_t> count(const std::string& key, std::chrono::nanoseconds within = 40s) {
    return make([&] { return Ref<Tally>(key)->count(); }, within);
  }
  std::optional<std::int64_t> count_at(const std::string& key, const std::string& other) {
    return make([&] { return Ref<Tally>(key)->count_at(Ref<Tally>(other)); });
  }
  std::optional<std::int64_t> make(const std::function<Call<std::int64_t>()>& call,
                                   std::chrono::nanoseconds within = 40s) {
    struct Outcome {
      std::optional<std::int64_t> result;
      bool has_ended = false;
    };
    const auto outcome = std::make_shared<Outcome>();  // shared with the call
    cluster.world().enter(client.process_id(), [&] {
      client.start<std::int64_t>(call(), [outcome](detail::ResultRecord<std::int64_t>& record) {
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
  /// What `from` and its nodes send to `to` and its nodes.
  void cut(std::size_t from, std::size_t to) {
    cluster.network().cut(cluster::sim::place_of_machine(from), cluster::sim::place_of_machine(to));
    for (const auto& [one, its_process] : nodes_on(from))
      for (const auto& [other, process] : nodes_on(to)) cluster.network().cut(one, other);
  }
  /// The leader and another machine, at once: their links break, and cannot be made again.
  std::size_t cut_from_leader() {
    const std::size_t leader = *cluster.find_leader();
    const std::size_t other = (leader + 1) % cluster.count_machines();
    cut(leader, other);
    cut(other, leader);
    cluster.network().break_streams(cluster::sim::place_of_machine(leader), cluster::sim::place_of_machine(other));
    cluster.world().run_for(100ms);
    return other;
  }
  [[nodiscard]] cluster::sim::ProcessId supervisor_of(std::size_t machine) {
    cluster::sim::SimMachine* const running = cluster.find_machine(machine);
    return running == nullptr ? 0 : running->host().process_id();
  }
  /// Each node can be called from each.
  void check_all_reached() {
    for (char one = 'a'; one < 'g'; ++one)
      for (char other = 'a'; other < 'g'; ++other) {
        const auto begun = cluster.world().now();
        CAPTURE(one, other);
        CHECK(count_at(std::string(1, one), std::string(1, other)).has_value());
        CHECK(cluster.world().now() - begun < 500ms);
      }
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

TEST_CASE(
    "machines: one that was elected, and whose lease is over before it can read the store, does not begin to lead",
    "[sim]") {
  SimulatedMachines f;
  const std::size_t former = *f.cluster.find_leader();
  const std::size_t elected = 1 - former;
  f.cluster.crash_machine(former, 4s);
  f.cluster.disk().set_away(true);
  f.cluster.world().run_for(8s);  // the other is elected, and the former leader is back and follows it
  REQUIRE_FALSE(f.cluster.find_leader());
  f.cluster.coordination().set_unreachable(f.cluster.find_machine(elected)->host().process_id(), true);
  f.cluster.world().run_for(4s);
  f.cluster.disk().set_away(false);
  CHECK_FALSE(f.cluster.world().run_until([&] { return f.cluster.find_leader() == elected; }, 5s));
  CHECK(f.cluster.find_leader() == former);
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

TEST_CASE(
    "machines: of two that cannot reach each other one goes before calls have waited for two leases, and comes back",
    "[sim]") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    SimulatedMachines f(3, seed);
    const std::size_t leader = *f.cluster.find_leader();
    const std::size_t one = seed % 3;
    const std::size_t other = (one + 1 + seed / 3 % 2) % 3;
    f.cut(one, other);
    if (seed % 2 == 0) f.cut(other, one);
    f.cluster.world().run_for(5s);
    CHECK((f.nodes_on(one).empty() || f.nodes_on(other).empty()));
    CHECK(!f.nodes_on(3 - one - other).empty());
    CHECK(f.cluster.find_leader() == leader);  // nobody reaches more machines
    f.check_all_reached();

    f.cluster.network().heal_all();
    f.cluster.world().run_for(10s);
    for (std::size_t machine = 0; machine < 3; ++machine) CHECK(!f.nodes_on(machine).empty());
    f.check_all_reached();
  }
}

TEST_CASE("machines: a leader that reaches none of the others gives way to them", "[sim]") {
  SimulatedMachines f(3);
  const std::size_t leader = *f.cluster.find_leader();
  for (std::size_t other = 0; other < 3; ++other)
    if (other != leader) f.cut(leader, other);
  f.cluster.world().run_for(7s);
  CHECK(f.nodes_on(leader).empty());
  CHECK(f.cluster.find_leader().value_or(leader) != leader);
  f.check_all_reached();

  f.cluster.network().heal_all();
  f.cluster.world().run_for(10s);
  for (std::size_t machine = 0; machine < 3; ++machine) CHECK(!f.nodes_on(machine).empty());
  f.check_all_reached();
}

TEST_CASE("machines: a leader that is told to stop ends, though it cannot reach another machine", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    SimulatedMachines f(3, seed);
    const std::size_t leader = *f.cluster.find_leader();
    const auto supervisor = f.supervisor_of(leader);
    f.cut_from_leader();
    f.cluster.stop_machine_in_order(leader);
    CHECK(f.cluster.world().run_until([&] { return f.supervisor_of(leader) != supervisor; },
                                      protocol::FabricOptions().grace + 2 * f.cluster.lease()->timeout));
  }
}

TEST_CASE("machines: a leader that is told to stop twice ends at once, though it cannot reach another machine",
          "[sim]") {
  SimulatedMachines f(3);
  const std::size_t leader = *f.cluster.find_leader();
  const auto supervisor = f.supervisor_of(leader);
  const std::size_t other = f.cut_from_leader();
  const auto followers = f.nodes_on(other);
  REQUIRE(!followers.empty());
  f.cluster.stop_machine_in_order(leader);
  f.cluster.world().enter(
      supervisor, [&] { f.cluster.find_machine(leader)->supervisor().stop_at_once("requested again by SIGTERM"); });
  CHECK(f.cluster.world().run_until([&] { return f.supervisor_of(leader) != supervisor; }, 2s));
  f.cluster.world().run_for(1s);
  CHECK(f.nodes_on(other).empty());  // it has heard of it
}

TEST_CASE("machines: one that cannot open a connection to the next leader, which can to it, is evicted", "[sim]") {
  SimulatedMachines f(3);
  const std::size_t former = *f.cluster.find_leader();
  const std::size_t elm = (former + 1) % 3;
  const std::size_t oak = (former + 2) % 3;
  f.cluster.network().block_dials(cluster::sim::place_of_machine(elm), cluster::sim::place_of_machine(oak));
  f.cluster.network().break_streams(cluster::sim::place_of_machine(elm), cluster::sim::place_of_machine(oak));
  f.cluster.world().run_for(1500ms);  // elm has noticed it, and so does not lead
  f.cluster.crash_machine(former, 1min);
  f.cluster.world().run_for(3 * f.cluster.lease()->timeout);
  CHECK(f.cluster.find_leader() == oak);
  CHECK(f.nodes_on(elm).empty());
  CHECK(!f.nodes_on(oak).empty());
  f.check_all_reached();

  f.cluster.network().heal_all();
  f.cluster.world().run_for(10s);
  CHECK(!f.nodes_on(elm).empty());
}
