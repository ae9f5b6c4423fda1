// Machines with leases, in a simulated cluster: nodes that stand still, sleep, or cannot renew, while others get their
// shards. What happens under a mix of faults is in cluster_test.cpp (the leased kind).

#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <optional>
#include <string>

#include "cluster/sim/cluster.hpp"

using namespace epic;
using namespace std::chrono_literals;
using cluster::sim::Cluster;
using cluster::sim::SimClient;

namespace {

constexpr cluster::LeaseSettings kTestLease{.timeout = 2s, .margin = 900ms};

class Page : public Entity {
  std::int64_t number_ = 0;

 public:
  Task<std::int64_t> turn_over() { co_return ++number_; }
  Task<std::int64_t> number() const { co_return number_; }
  EPIC_ENTITY(Page, state(number_), methods(turn_over, number))
};

const ModuleInfo& pages() {
  static const EntityInfoFn entities[] = {&Page::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct LeasesFixture {
  Cluster cluster;
  SimClient& client;

  explicit LeasesFixture(std::optional<cluster::LeaseSettings> lease = kTestLease)
      : cluster({.seed = 1, .nodes = 1, .shard_count = 1, .call_timeout = 20s, .silence_max = 1min, .lease = lease},
                pages()),
        client((cluster.start(), cluster.add_client())) {
    REQUIRE(cluster.world().run_until([this] { return cluster.is_ready(); }, 10s));
    REQUIRE(ask(client, Ref<Page>("1")->turn_over(), 5s) == 1);
  }

  /// What becomes of a call: its result, or the error. Empty while it has not ended.
  struct Outcome {
    std::optional<std::int64_t> result;
    std::string error;
    [[nodiscard]] bool has_ended() const { return result || !error.empty(); }
  };
  std::shared_ptr<Outcome> start(SimClient& from, Call<std::int64_t> call) {
    auto outcome = std::make_shared<Outcome>();  // shared with the call
    cluster.world().enter(from.process_id(), [&] {
      from.start<std::int64_t>(std::move(call), [outcome](detail::ResultRecord<std::int64_t>& record) {
        try {
          outcome->result = record.take();
        } catch (const std::exception& error) {
          outcome->error = error.what();
        }
      });
    });
    return outcome;
  }
  std::optional<std::int64_t> ask(SimClient& from, Call<std::int64_t> call, std::chrono::nanoseconds limit) {
    const auto outcome = start(from, std::move(call));
    cluster.world().run_until([&] { return outcome->has_ended(); }, limit);
    return outcome->result;
  }
  cluster::sim::ProcessId node_id() { return cluster.find_node(1)->process_id(); }
};

}  // namespace

TEST_CASE("leases: a node that cannot renew answers nothing, and goes on when it can before the lease has ended",
          "[sim]") {
  LeasesFixture f;
  const auto node = f.node_id();
  f.cluster.world().run_for(5s);
  CHECK(f.ask(f.client, Ref<Page>("1")->number(), 1s) == 1);
  f.cluster.coordination().set_away(true);
  f.cluster.world().run_for(1200ms);  // a renewal may be under way, and reach the service all the same

  const auto turned = f.start(f.client, Ref<Page>("1")->turn_over());
  f.cluster.world().run_for(200ms);
  CHECK_FALSE(turned->has_ended());
  f.cluster.coordination().set_away(false);
  f.cluster.world().run_for(600ms);
  CHECK(turned->result == 2);
  CHECK(f.node_id() == node);
}

TEST_CASE("leases: when the lease is lost the nodes end, and a new one brings new nodes", "[sim]") {
  LeasesFixture f;
  const auto node = f.node_id();
  f.cluster.coordination().set_away(true);
  f.cluster.world().run_for(60s);  // until no renewal has come by chance for long enough
  f.cluster.coordination().set_away(false);
  f.cluster.world().run_for(5s);
  CHECK(f.ask(f.client, Ref<Page>("1")->turn_over(), 10s) == 2);
  CHECK(f.node_id() != node);
}

namespace {

/// The machine's supervisor dies and another leads; `stop` is what becomes of the node meanwhile. A client that still
/// talks to the former owner asks it when the next one has changed what it had.
struct FormerOwner : LeasesFixture {
  std::shared_ptr<Outcome> stale;

  void replace(const std::function<void(FormerOwner&)>& stop) {
    stop(*this);
    cluster.crash_supervisor(10ms, {.min = 12s, .max = 12s});
    cluster.world().run_for(4s);
    REQUIRE(cluster.is_ready());
    REQUIRE(ask(cluster.add_client(), Ref<Page>("1")->turn_over(), 5s) == 2);
    stale = start(client, Ref<Page>("1")->number());
  }
};

}  // namespace

TEST_CASE("leases: a former owner that still runs shows nothing of what it has in memory", "[sim]") {
  FormerOwner f;
  f.replace([](FormerOwner&) {});
  f.cluster.world().run_for(5s);
  CHECK(f.stale->result.value_or(2) == 2);
}

TEST_CASE("leases: a former owner that stood still in the middle of a tick does not end it", "[sim]") {
  FormerOwner f;
  f.replace([](FormerOwner& self) {
    self.cluster.pause_in_tick(1, 8s);
    self.start(self.client, Ref<Page>("2")->number());  // an event, with which a tick begins
    self.cluster.world().run_for(100ms);
    REQUIRE(self.cluster.find_node(1)->is_paused());
  });
  f.cluster.world().run_for(6s);
  CHECK(f.stale->result.value_or(2) == 2);
}

TEST_CASE("leases: a machine that slept knows that its lease is over, though its steady clock stood still", "[sim]") {
  FormerOwner f;
  f.replace([](FormerOwner& self) { self.cluster.stop_machine(1, 8s); });
  f.cluster.world().run_for(6s);
  CHECK(f.stale->result.value_or(2) == 2);
}

TEST_CASE("leases: without one a former owner that lives on would answer", "[sim]") {
  // What the others show is the lease's doing.
  LeasesFixture f{std::nullopt};
  f.cluster.crash_supervisor(10ms, {.min = 12s, .max = 12s});
  f.cluster.world().run_for(4s);
  REQUIRE(f.cluster.is_ready());
  REQUIRE(f.ask(f.cluster.add_client(), Ref<Page>("1")->turn_over(), 5s) == 2);
  CHECK(f.ask(f.client, Ref<Page>("1")->number(), 5s) == 1);
}
