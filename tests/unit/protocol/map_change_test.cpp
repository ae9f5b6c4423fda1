#include "protocol/map_change.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <random>

#include "codec/message_frames.hpp"
#include "protocol/supervision.hpp"
#include "support/frames.hpp"

using namespace epic;
using kernel::Incarnation;
using kernel::MapVersion;
using kernel::NodeId;
using kernel::ShardId;
using kernel::ShardMap;
using protocol::apply_map_change;
using protocol::make_map_change;
using protocol::MapChange;

namespace {

constexpr std::uint32_t kMapShards = 40;

ShardMap first_map() {
  ShardMap map{.version = MapVersion{1}, .owners = {}, .members = {}, .moving = {}, .owned_since = {}};
  map.owners.resize(kMapShards);
  map.owned_since.resize(kMapShards, MapVersion{1});
  for (std::uint16_t node = 1; node <= 4; ++node)
    map.members.push_back({NodeId{node}, Incarnation{node}, "/run/node-" + std::to_string(node)});
  return map;
}

/// As a shard table changes it, and more at once.
ShardMap changed(ShardMap map, std::mt19937_64& random) {
  map.version = MapVersion{map.version.value + 1 + (random() % 20 == 0 ? std::uint64_t{1} << 40 : 0)};
  const auto is_hit = [&](unsigned of) { return random() % of == 0; };
  const auto is_member = [&](NodeId node) {
    return std::ranges::find(map.members, node, &ShardMap::Member::node) != map.members.end();
  };
  if (is_hit(3)) std::erase_if(map.members, [&](const auto&) { return is_hit(4); });
  for (auto& member : map.members)
    if (is_hit(8)) member.incarnation = Incarnation{random()};
  for (auto& member : map.members)
    if (is_hit(16)) member.port = static_cast<std::uint16_t>(random());
  if (is_hit(3)) {
    for (std::uint16_t node = 1; node <= 12; ++node)
      if (is_hit(5) && !is_member(NodeId{node}))
        map.members.push_back({.node = NodeId{node},
                               .incarnation = Incarnation{random()},
                               .address = (is_hit(6) ? "other/" : "/run/node-") + std::to_string(node),
                               .machine = is_hit(2) ? "" : "machine-" + std::to_string(node % 3),
                               .host = is_hit(2) ? "" : "10.0.0." + std::to_string(random() % 2),
                               .port = static_cast<std::uint16_t>(is_hit(2) ? 0 : random())});
    std::ranges::sort(map.members, {}, &ShardMap::Member::node);
  }
  const auto pick = [&](std::vector<ShardId>& list) {
    list.clear();
    for (std::uint32_t shard = 0; shard < kMapShards; ++shard)
      if (is_hit(10)) list.push_back(ShardId{shard});
  };
  if (is_hit(2)) pick(map.moving);
  if (is_hit(4)) pick(map.orphaned);
  for (std::uint32_t shard = 0; shard < kMapShards; ++shard) {
    const bool is_moved = is_hit(12) || (map.owners[shard] != NodeId{0} && !is_member(map.owners[shard]));
    if (!is_moved) continue;
    map.owners[shard] = map.members.empty() ? NodeId{0} : map.members[random() % map.members.size()].node;
    map.owned_since[shard] = map.version;
  }
  return map;
}

MapChange through_wire(const MapChange& change) {
  std::vector<std::byte> frame;
  codec::append_message<protocol::ToNode>(change, codec::Opening::yes, frame);
  protocol::FrameBuffer buffer(protocol::kSupervisionFrameBytesMax);
  std::ranges::copy(frame, buffer.prepare(frame.size()).begin());
  buffer.commit(frame.size());
  auto read = codec::FrameReader<protocol::ToNode>().read(*buffer.next().value());
  REQUIRE(read.has_value());
  return std::get<MapChange>(std::move(*read));
}

}  // namespace

TEST_CASE(
    "map change: a node that gets changes, some of which are lost, ends with the same map as one that gets whole ones",
    "[protocol]") {
  const auto seed = test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  ShardMap newest = first_map();
  ShardMap held;  // by the node
  std::deque<MapChange> on_their_way;
  int wholes = 0;
  for (int step = 0; step < 3'000; ++step) {
    const ShardMap next = changed(newest, random);
    on_their_way.push_back(make_map_change(newest, next));
    newest = next;
    if (random() % 20 == 0) on_their_way.pop_back();  // lost
    if (random() % 50 == 0) on_their_way.clear();     // … with the connection
    if (random() % 100 == 0) held = {};               // the node is another process
    while (!on_their_way.empty() && random() % 3 != 0) {
      const MapChange change = through_wire(on_their_way.front());
      on_their_way.pop_front();
      if (change.version <= held.version) continue;
      auto applied = apply_map_change(held, change);
      if (!applied) {  // it says that it needs a whole one, which is the newest
        on_their_way.push_back(make_map_change({}, newest));
        ++wholes;
        continue;
      }
      held = std::move(*applied);
      if (held.version != newest.version) continue;
      REQUIRE(held.members == newest.members);
      REQUIRE(held.owners == newest.owners);
      REQUIRE(held.owned_since == newest.owned_since);
      REQUIRE(held == newest);
    }
  }
  CHECK(wholes > 50);
  held = apply_map_change({}, through_wire(make_map_change({}, newest))).value();
  CHECK(held == newest);
}

TEST_CASE("map change: it holds what is new, and nothing else", "[protocol]") {
  const ShardMap before = first_map();
  ShardMap after = before;
  after.version = MapVersion{2};
  after.members.erase(after.members.begin() + 1);
  after.members.push_back({NodeId{7}, Incarnation{9}, "/run/node-7"});
  after.owners[5] = NodeId{7};
  after.owned_since[5] = MapVersion{2};
  CHECK(make_map_change(before, after) == MapChange{.base = MapVersion{1},
                                                    .version = MapVersion{2},
                                                    .shard_count = kMapShards,
                                                    .shards = {ShardId{5}},
                                                    .owners = {NodeId{7}},
                                                    .ages = {0},
                                                    .joined = {NodeId{7}},
                                                    .incarnations = {Incarnation{9}},
                                                    .address_start = "/run/node-7",
                                                    .address_ends = {""},
                                                    .left = {NodeId{2}}});
}

TEST_CASE("map change: what the nodes of a machine share is there once", "[protocol]") {
  ShardMap map = first_map();
  for (std::size_t i = 0; i < map.members.size(); ++i) {
    auto& member = map.members[i];
    member.machine = i < 2 ? "a" : "b";
    member.host = i < 2 ? "10.0.0.1" : "10.0.0.2";
    member.port = static_cast<std::uint16_t>(7000 + i);
  }
  const MapChange change = make_map_change({}, map);
  CHECK(change.machines == std::vector<MapChange::Machine>{{"a", "10.0.0.1"}, {"b", "10.0.0.2"}});
  CHECK(change.machine_of == std::vector<std::uint16_t>{0, 0, 1, 1});
  CHECK(change.ports == std::vector<std::uint16_t>{7000, 7001, 7002, 7003});
  CHECK(apply_map_change({}, through_wire(change)) == map);
}

TEST_CASE("map change: it says who owns a shard from now on, if that is new", "[protocol]") {
  const ShardMap before = first_map();
  ShardMap after = before;
  after.version = MapVersion{2};
  after.owners[5] = NodeId{7};
  after.owned_since[5] = MapVersion{2};
  const MapChange change = make_map_change(before, after);
  CHECK(find_owner(change, ShardId{5}) == NodeId{7});
  CHECK_FALSE(find_owner(change, ShardId{4}));
  const MapChange whole = make_map_change({}, after);
  CHECK(find_owner(whole, ShardId{5}) == NodeId{7});
  CHECK(find_owner(whole, ShardId{4}) == before.owners[4]);
  CHECK(find_owner(whole, ShardId{kMapShards}) == NodeId{});
}

TEST_CASE("map change: one for another map, and one that makes no sense, are refused", "[protocol]") {
  const ShardMap map = first_map();
  ShardMap after = map;
  after.version = MapVersion{2};
  after.owners[5] = NodeId{2};
  const MapChange good = make_map_change(map, after);
  REQUIRE(apply_map_change(map, good).has_value());
  CHECK(apply_map_change(after, good).error() == "it changes the map 1 of 40 shards, not 2 of 40");
  CHECK(apply_map_change({}, good).error() == "it changes the map 1 of 40 shards, not 0 of 0");

  const auto is_refused = [&](auto spoil) {
    MapChange bad = good;
    spoil(bad);
    const auto applied = apply_map_change(map, bad);
    return !applied && applied.error() == "its lists do not belong together";
  };
  CHECK(is_refused([](MapChange& it) { it.shards[0] = ShardId{kMapShards}; }));
  CHECK(is_refused([](MapChange& it) { it.owners.clear(); }));
  CHECK(is_refused([](MapChange& it) { it.ages.clear(); }));
  CHECK(is_refused([](MapChange& it) { it.moving = {ShardId{99}}; }));
  CHECK(is_refused([](MapChange& it) { it.joined = {NodeId{9}}; }));
  CHECK(is_refused([](MapChange& it) { it.version = it.base; }));
  CHECK(is_refused([](MapChange& it) { it.ports = {7000}; }));
  CHECK(is_refused([](MapChange& it) {
    it.joined = {NodeId{9}};
    it.incarnations = {Incarnation{9}};
    it.address_ends = {""};
    it.machines = {{"a", "10.0.0.1"}};
    it.machine_of = {1};
    it.ports = {7000};
  }));
  CHECK(is_refused([](MapChange& it) {
    it.base = {};
    it.shard_count = UINT32_MAX;
  }));
}
