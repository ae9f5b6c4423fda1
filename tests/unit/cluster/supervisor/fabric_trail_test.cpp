#include "cluster/supervisor/fabric_trail.hpp"

#include <catch2/catch.hpp>

using namespace epic::cluster;
using epic::kernel::MapVersion;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::kernel::ShardMap;

namespace {

ShardMap map_of(std::uint64_t version, std::vector<std::uint16_t> owners) {
  ShardMap map{.version = MapVersion{version}, .owners = {}, .members = {}, .moving = {}, .owned_since = {}};
  for (const std::uint16_t owner : owners) map.owners.push_back(NodeId{owner});
  return map;
}

}  // namespace

TEST_CASE("trail: the next leader knows what has become of nodes, and that no shard has moved", "[cluster]") {
  const FabricTrail::Time now{std::chrono::seconds(1'700'000'000)};
  FabricTrail before;
  epic::kernel::ShardMap map;
  map.owners = {epic::kernel::NodeId{1}, epic::kernel::NodeId{2}};
  before.on_map(map, now);
  before.add({.time = now,
              .node = "node-2",
              .what = "died",
              .why = "was killed",
              .took = std::chrono::microseconds(7),
              .entity = "Bomb/x"});
  FabricTrail after;
  after.go_on(before.note(), map.owners);
  after.on_map(map, now);
  const auto events = after.list(0, std::nullopt);
  REQUIRE(events.size() == 1);
  CHECK(events.front().wall_ns == before.list(0, std::nullopt).back().wall_ns);
  CHECK(events.front().event.node == "node-2");
  CHECK(events.front().event.what == "died");
  CHECK(events.front().event.why == "was killed");
  CHECK(events.front().event.entity == "Bomb/x");
  CHECK(events.front().event.took_us == 7);
}

TEST_CASE("fabric trail: shards that move are told once they have arrived, together", "[supervisor]") {
  FabricTrail trail;
  trail.on_map(map_of(1, {1, 1, 2, 2}), {});
  auto events = trail.list(0, std::nullopt);
  REQUIRE(events.size() == 2);
  CHECK(events[0].event.node == "node-1");
  CHECK(events[0].event.why == "2 shards came for the first time");

  const std::uint64_t seen = trail.newest();
  trail.on_map(map_of(2, {0, 1, 2, 2}), {});  // in transit
  CHECK(trail.list(seen, std::nullopt).empty());
  trail.on_map(map_of(3, {2, 1, 2, 2}), {});
  events = trail.list(seen, std::nullopt);
  REQUIRE(events.size() == 1);
  CHECK(events[0].event.what == "moved");
  CHECK(events[0].event.node == "node-2");
  CHECK(events[0].event.why == "shard 0 came from node-1");
}

TEST_CASE("fabric trail: of one shard only its moves are listed, each as its own", "[supervisor]") {
  FabricTrail trail;
  trail.on_map(map_of(1, {1, 1, 1}), {});
  trail.add({.time = {}, .node = "node-1", .what = "died"});
  trail.on_map(map_of(2, {2, 2, 3}), {});
  const auto events = trail.list(0, ShardId{1});
  REQUIRE(events.size() == 2);
  CHECK(events[1].event.node == "node-2");
  CHECK(events[1].event.why == "shard 1 came from node-1");
}

TEST_CASE("fabric trail: it is bounded, and the oldest go", "[supervisor]") {
  FabricTrail trail;
  for (std::size_t i = 0; i < FabricTrail::kEntriesMax + 10; ++i)
    trail.add({.time = {}, .node = "node-1", .what = "ready", .why = std::to_string(i)});
  const auto events = trail.list(0, std::nullopt);
  REQUIRE(events.size() == FabricTrail::kEntriesMax);
  CHECK(events.front().event.why == "10");
  CHECK(trail.list(trail.newest() - 1, std::nullopt).size() == 1);
}
