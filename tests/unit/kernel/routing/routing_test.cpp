#include "kernel/routing/routing.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <string>

#include "kernel/limits.hpp"

using namespace epic::kernel;
using Way = Routing::Way;

namespace {

constexpr ShardId kTargetShard{3};
constexpr PeerAddress kSelf{NodeId{1}, 11};
constexpr PeerAddress kOtherPeer{NodeId{2}, 22};

/// Calls are "started" here, sent, refused or parked: "1:here 2:refuse ".
struct RoutingFixture : Routing::Listener {
  Routing routing{kSelf, *this};
  std::deque<RoutedCall> calls;
  std::string ways;
  std::size_t turns = 0;

  RoutedCall& make(PeerAddress from = {}, std::uint64_t by = 0) {
    RoutedCall& call = calls.emplace_back();
    call.sequence = calls.size();
    call.shard = kTargetShard;
    call.from = from;
    call.sent_version = MapVersion{by};
    route(call);
    return call;
  }
  void route(RoutedCall& call) override {
    ++turns;
    const Routing::Decision decision = routing.decide(call, /*is_urgent=*/false);
    if (decision.way == Way::park) return routing.park(call);
    if (decision.way == Way::send) routing.on_sent(call, decision.owner);
    static constexpr const char* kNames[] = {"here", "send", "park", "refuse"};
    ways += std::to_string(call.sequence) + ":" + kNames[static_cast<std::size_t>(decision.way)] + " ";
  }
  void on_closed(ShardId) override {}
  void on_reopened(ShardId) override {}
  void look_for_waits(ShardId) override {}
  void end_running(ShardId, const Overdue&) override {}

  Routing::Changes publish(std::uint64_t version, NodeId owner, std::uint64_t owned_since = 1) {
    ShardMap map{MapVersion{version}, std::vector<NodeId>(8, owner), {}, {}, {}};
    map.members = {{NodeId{1}, Incarnation{11}, ""}, {NodeId{2}, Incarnation{22}, ""}};
    map.owned_since.assign(8, MapVersion{owned_since});
    Routing::Changes changes = routing.on_map(std::move(map));
    routing.retry_all();
    return changes;
  }
};

}  // namespace

TEST_CASE("routing: calls wait until their shard is taken, and start here in order, whichever node made them",
          "[kernel]") {
  RoutingFixture f;
  CHECK(f.publish(1, NodeId{1}).given.size() == 8);
  f.make();
  f.make(kOtherPeer, 1);
  f.make();
  CHECK(f.ways.empty());
  f.routing.on_taken(kTargetShard, Epoch{1});
  CHECK(f.ways == "1:here 2:here 3:here ");
}

TEST_CASE("routing: maps that arrive while a shard is taken, or closed, cost little, however many calls wait for it",
          "[kernel]") {
  constexpr std::size_t kWaiting = 5'000;
  constexpr std::uint64_t kMaps = 20;
  RoutingFixture f;
  const auto publish_many = [&f](std::uint64_t first) {
    f.turns = 0;
    for (std::uint64_t map = first; map < first + kMaps; ++map) f.publish(map, NodeId{1});
  };
  f.publish(1, NodeId{1});
  for (std::size_t i = 0; i < kWaiting; ++i) f.make(kOtherPeer, 1);
  publish_many(2);
  CHECK(f.turns == 0);
  f.routing.on_taken(kTargetShard, Epoch{1});
  CHECK(f.turns == kWaiting);

  f.routing.on_asked_back(kTargetShard, 0, 0, 1'000'000'000);
  for (std::size_t i = 0; i < kWaiting; ++i) f.make(kOtherPeer, 1);
  publish_many(2 + kMaps);
  CHECK(f.turns <= limits::kRoutedPerTick);
}

TEST_CASE("routing: a shard that is released refuses others' calls at once, also those behind ours", "[kernel]") {
  RoutingFixture f;
  f.publish(1, NodeId{1});
  f.routing.on_taken(kTargetShard, Epoch{1});
  f.routing.on_asked_back(kTargetShard, 0, 0, 1'000'000'000);
  f.make();
  f.make(kOtherPeer, 1);
  f.make();
  REQUIRE(f.routing.try_release(kTargetShard, /*is_empty=*/true));
  f.routing.retry(kTargetShard);
  CHECK(f.ways == "2:refuse ");
  f.publish(2, NodeId{2}, 2);
  CHECK(f.ways == "2:refuse 1:send 3:send ");
}

TEST_CASE("routing: a call by a newer map waits for that map, and one by a map before this owner's is refused",
          "[kernel]") {
  RoutingFixture f;
  f.publish(3, NodeId{2}, 3);
  f.make(kOtherPeer, 4);
  CHECK(f.ways.empty());
  f.publish(4, NodeId{1}, 4);
  f.routing.on_taken(kTargetShard, Epoch{1});
  CHECK(f.ways == "1:here ");
  CHECK(f.routing.must_refuse(kTargetShard, MapVersion{3}));
  CHECK_FALSE(f.routing.must_refuse(kTargetShard, MapVersion{4}));
}

TEST_CASE("routing: when its shard comes here, a call starts after those that its former owner has not answered yet",
          "[kernel]") {
  RoutingFixture f;
  f.publish(1, NodeId{2});
  RoutedCall& refused = f.make();
  RoutedCall& answered = f.make();
  f.publish(2, NodeId{1}, 2);
  f.routing.on_taken(kTargetShard, Epoch{1});
  f.make();
  f.make(kOtherPeer, 2);
  CHECK(f.ways == "1:send 2:send 4:here ");  // what another node's entities have called waits for none of it
  f.routing.forget(answered);
  CHECK(f.ways == "1:send 2:send 4:here ");
  f.routing.on_refused(refused, 0);
  CHECK(f.ways == "1:send 2:send 4:here 1:here 3:here ");
  f.make();
  CHECK(f.ways.ends_with("3:here 5:here "));
}

TEST_CASE("routing: a map that gives a shard to another node takes it from this one", "[kernel]") {
  RoutingFixture f;
  f.publish(1, NodeId{1});
  f.routing.on_taken(kTargetShard, Epoch{1});
  CHECK(f.publish(2, NodeId{2}, 2).lost.size() == 8);
  CHECK_FALSE(f.routing.is_ours(kTargetShard));
  CHECK(f.publish(2, NodeId{1}).given.empty());
}

TEST_CASE("routing: a call that must wait for a commit has its turn with it", "[kernel]") {
  RoutingFixture f;
  f.publish(1, NodeId{2});
  RoutedCall call;
  call.sequence = 9;
  call.shard = kTargetShard;
  f.routing.park_until_commit(call);
  f.routing.on_committed();
  CHECK(f.ways == "9:send ");
  f.routing.on_committed();
  CHECK(f.ways == "9:send ");
}
