#include "cluster/supervisor/shard_orders.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>

#include "support/fake_host.hpp"
#include "support/frames.hpp"

using namespace epic;
using namespace epic::cluster;
using namespace std::chrono_literals;
using kernel::Incarnation;
using kernel::NodeId;
using kernel::ShardMap;

namespace {

/// Nodes that take and release at once, and hold the maps that they are sent.
struct ShardOrdersFixture {
  struct Node {
    ShardMap held;
    std::size_t changes = 0;
    std::size_t wholes = 0;
  };

  cluster::test::FakeHost host;
  ShardTable table{24, 3s};
  FabricTrail trail;
  std::map<NodeId, Node> nodes;
  std::function<bool()> is_lost = [] { return false; };  // a map on its way to a node
  std::deque<std::function<void()>> said;                // by nodes
  std::uint64_t last_incarnation = 0;
  std::uint64_t last_epoch = 0;
  ShardOrders orders{
      host, {}, {.term = kernel::Term{1}}, {}, table, trail, [this](NodeId node, const SharedMessage& message) {
        hear(node, message.message());
      }};

  void hear(NodeId id, const protocol::ToNode& message) {
    if (const auto* const release = std::get_if<protocol::Release>(&message)) {
      for (const kernel::ShardId shard : release->shards)
        said.emplace_back([this, id, released = protocol::Released{shard, release->map_version}] {
          table.on_released(id, released, host.now());
        });
    } else if (!is_lost()) {
      take(id, std::get<protocol::MapChange>(message));
    }
  }
  void take(NodeId id, const protocol::MapChange& change) {
    Node& node = nodes[id];
    ++(change.base == kernel::MapVersion{} ? node.wholes : node.changes);
    if (change.version <= node.held.version) return;
    auto map = protocol::apply_map_change(node.held, change);
    if (!map) return static_cast<void>(said.emplace_back([this, id] { orders.send_whole_map(id); }));
    protocol::Taken taken{.map_version = map->version};
    for (std::uint32_t shard = 0; shard < map->owners.size(); ++shard)
      if (map->owners[shard] == id && map->owned_since[shard] > node.held.version)
        taken.shards.push_back({kernel::ShardId{shard}, kernel::Epoch{++last_epoch}});
    node.held = std::move(*map);
    said.emplace_back([this, id, taken] { table.on_taken(id, taken, host.now()); });
  }

  void join(std::uint16_t node) {
    nodes[NodeId{node}] = {};
    table.on_joined({NodeId{node}, Incarnation{++last_incarnation}, "/run/node-" + std::to_string(node)}, Generation{1},
                    host.now());
  }
  void leave(std::uint16_t node) {
    nodes.erase(NodeId{node});
    table.on_death(NodeId{node}, host.now());
    table.on_left(NodeId{node}, host.now());
  }
  void settle() {
    orders.carry_out();
    while (host.settle() || host.run_timer(host.now()) || !said.empty()) {
      if (said.empty()) continue;
      said.front()();
      said.pop_front();
      orders.carry_out();
    }
  }
};

}  // namespace

TEST_CASE("shard orders: a new member gets the whole map, and the others what is new", "[cluster]") {
  ShardOrdersFixture f;
  for (const std::uint16_t node : {1, 2, 3}) f.join(node);
  f.table.open(f.host.now());
  f.settle();
  CHECK(f.nodes[NodeId{1}].wholes == 1);
  CHECK(f.nodes[NodeId{1}].changes == 0);

  f.join(4);
  f.settle();
  CHECK(f.nodes[NodeId{4}].wholes == 1);
  CHECK(f.nodes[NodeId{1}].wholes == 1);
  CHECK(f.nodes[NodeId{1}].changes == 1 + 24 / 4);  // the member, and each shard that goes to it

  f.leave(2);
  f.join(2);  // another process
  f.settle();
  CHECK(f.nodes[NodeId{2}].wholes == 1);
  for (const auto& [id, node] : f.nodes) CHECK(node.held == f.table.map());
}

TEST_CASE("shard orders: nodes that miss maps end with the same one as all others", "[cluster]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  ShardOrdersFixture f;
  for (const std::uint16_t node : {1, 2, 3, 4}) f.join(node);
  f.table.open(f.host.now());
  f.settle();
  std::size_t lost = 0;
  for (int round = 0; round < 40; ++round) {
    f.is_lost = [&] { return random() % 10 == 0 && ++lost > 0; };
    for (int step = 0; step < 20; ++step) {
      const auto node = static_cast<std::uint16_t>(1 + random() % 9);
      const bool is_member = f.nodes.contains(NodeId{node});
      if (is_member && f.nodes.size() > 2 && random() % 2 == 0)
        f.leave(node);
      else if (!is_member)
        f.join(node);
      else if (random() % 3 == 0)
        f.table.drain(NodeId{node}, f.host.now());
      while (f.host.run_timer(f.host.now() + 1s)) {
      }
      f.table.on_tick(f.host.now());
      f.settle();
    }
    f.is_lost = [] { return false; };
    f.join(10);  // a node notices what it has missed when it hears of the next map
    f.settle();
    for (const auto& [id, held] : f.nodes) REQUIRE(held.held == f.table.map());
    f.leave(10);
    f.settle();
  }
  CHECK(lost > 0);
}
