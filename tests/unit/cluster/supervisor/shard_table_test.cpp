#include "cluster/supervisor/shard_table.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::kernel::Epoch;
using epic::kernel::Incarnation;
using epic::kernel::MapVersion;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
namespace protocol = epic::protocol;

namespace {

/// Nodes that carry out every request at once.
struct ShardTableFixture {
  ShardTable table{8, 3s};
  ShardTable::TimePoint now{};
  std::uint64_t incarnation = 0;
  std::uint64_t epoch = 0;
  std::vector<NodeId> before;
  std::size_t maps = 0;
  std::size_t releases = 0;
  std::size_t orphans_on_their_way = 0;  // at any release

  void join(std::uint16_t node, std::uint32_t generation = 1) {
    table.on_joined({NodeId{node}, Incarnation{++incarnation}, "socket"}, Generation{generation}, now);
  }

  void take(const epic::kernel::ShardMap& map) {
    for (const auto& member : map.members) {
      protocol::Taken taken{{}, map.version};
      for (std::uint32_t shard = 0; shard < map.owners.size(); ++shard)
        if (map.owners[shard] == member.node && !is_moving(map, shard) &&
            (before.empty() || before[shard] != member.node))
          taken.shards.push_back({ShardId{shard}, Epoch{++epoch}});
      table.on_taken(member.node, taken, now);
    }
    before = map.owners;
    for (const ShardId shard : map.moving) before[shard.value] = NodeId{0};
  }
  static bool is_moving(const epic::kernel::ShardMap& map, std::uint32_t shard) {
    return std::ranges::find(map.moving, ShardId{shard}) != map.moving.end();
  }

  /// Carries out actions until none are left. Returns false if `stop_at_release` met a release.
  void settle() {
    for (auto actions = table.take_actions(); !actions.empty(); actions = table.take_actions())
      for (const auto& action : actions) {
        if (const auto* publish = std::get_if<ShardTable::Publish>(&action)) {
          ++maps;
          take(publish->map);
        } else {
          const auto& ask = std::get<ShardTable::AskRelease>(action);
          releases += ask.release.shards.size();
          for (const ShardId shard : ask.release.shards)
            table.on_released(ask.owner, {shard, ask.release.map_version}, now);
          orphans_on_their_way += table.list_orphans().size();
        }
      }
  }

  void start(std::uint16_t nodes) {
    for (std::uint16_t node = 1; node <= nodes; ++node) join(node);
    table.open(now);
    settle();
  }
};

}  // namespace

TEST_CASE("shard table: nothing is given away before it opens, and all in one map then", "[cluster]") {
  ShardTableFixture f;
  f.join(1);
  f.join(2);
  CHECK(f.table.take_actions().empty());
  f.table.open(f.now);
  f.settle();
  CHECK(f.maps == 1);
  CHECK(f.table.is_settled());
  CHECK(f.table.count_owned(NodeId{1}) == 4);
}

TEST_CASE("shard table: it is settled only when every owner has taken its shards", "[cluster]") {
  ShardTableFixture f;
  f.join(1);
  f.table.open(f.now);
  CHECK_FALSE(f.table.is_settled());
  CHECK_FALSE(f.table.find_active_owner(ShardId{0}));
  f.settle();
  CHECK(f.table.is_settled());
  CHECK(f.table.find_active_owner(ShardId{0}) == NodeId{1});
}

TEST_CASE("shard table: a dead node's shards go to the survivors in one map, with no move of others", "[cluster]") {
  ShardTableFixture f;
  f.start(4);
  const auto owners = f.table.map().owners;
  f.table.on_left(NodeId{2}, f.now);
  f.settle();
  CHECK(f.maps == 2);
  CHECK(f.releases == 0);
  CHECK(f.table.is_settled());
  for (std::size_t shard = 0; shard < owners.size(); ++shard)
    if (owners[shard] != NodeId{2}) CHECK(f.table.map().owners[shard] == owners[shard]);
}

TEST_CASE("shard table: a node that comes back waits for quiet, then gets its share one shard at a time", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  f.table.on_left(NodeId{2}, f.now);
  f.settle();
  f.join(2);
  f.settle();
  CHECK(f.table.count_owned(NodeId{2}) == 0);

  f.now += 2s;
  f.table.on_tick(f.now);
  CHECK(f.table.take_actions().empty());
  CHECK_FALSE(f.table.is_level());

  f.now += 1s;
  f.table.on_tick(f.now);
  const auto actions = f.table.take_actions();
  REQUIRE(actions.size() == 1);
  const auto ask = std::get<ShardTable::AskRelease>(actions[0]);
  CHECK(ask.owner == NodeId{1});
  CHECK(ask.release.shards.size() == 1);
  f.table.on_tick(f.now);
  CHECK(f.table.take_actions().empty());  // one at a time

  f.table.on_released(ask.owner, {ask.release.shards[0], ask.release.map_version}, f.now);
  f.settle();
  CHECK(f.table.is_level());
  CHECK(f.table.count_owned(NodeId{2}) == 4);
}

TEST_CASE("shard table: new nodes get their share without waiting, each from another node at the same time",
          "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  f.join(3);
  f.table.on_tick(f.now);
  f.join(4);
  f.table.on_tick(f.now);
  std::set<NodeId> owners;
  for (const auto& action : f.table.take_actions())
    if (const auto* ask = std::get_if<ShardTable::AskRelease>(&action)) {
      CHECK(ask->release.shards.size() == 1);
      CHECK(owners.insert(ask->owner).second);
    }
  CHECK(owners == std::set{NodeId{1}, NodeId{2}});
  f.table.on_tick(f.now);
  CHECK(f.table.take_actions().empty());  // each of the four is busy
}

TEST_CASE("shard table: a node that was drained before it joined gets its share when it comes back", "[cluster]") {
  ShardTableFixture f;
  f.start(1);
  f.table.drain(NodeId{2}, f.now);
  f.table.on_left(NodeId{2}, f.now);
  f.join(2);
  f.settle();
  for (int move = 0; move < 4; ++move) {
    f.now += 3s;
    f.table.on_tick(f.now);
    f.settle();
  }
  CHECK(f.table.count_owned(NodeId{2}) == 4);
}

TEST_CASE("shard table: with nobody left shards have no owner, and the first to come gets all at once", "[cluster]") {
  ShardTableFixture f;
  f.start(1);
  f.table.on_left(NodeId{1}, f.now);
  f.settle();
  CHECK_FALSE(f.table.is_settled());
  CHECK(f.table.map().owners == std::vector<NodeId>(8));
  f.join(1);
  f.settle();
  CHECK(f.table.is_settled());
  CHECK(f.releases == 0);
}

TEST_CASE("shard table: a releasing node that dies gives way to the next owner without an answer", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  f.join(3);
  static_cast<void>(f.table.take_actions());  // the map, which changes nothing for anybody
  f.table.on_tick(f.now);
  const auto ask = std::get<ShardTable::AskRelease>(f.table.take_actions().at(0));
  f.table.on_left(ask.owner, f.now);
  f.settle();
  CHECK(f.table.is_settled());
  const auto version = f.table.map().version;
  f.table.on_released(ask.owner, {ask.release.shards[0], ask.release.map_version}, f.now);
  CHECK(f.table.map().version == version);
}

TEST_CASE("shard table: a shard whose next owner dies meanwhile goes to somebody who lives", "[cluster]") {
  ShardTableFixture f;
  f.start(1);
  f.join(2);
  static_cast<void>(f.table.take_actions());  // the map, which changes nothing for anybody
  f.table.on_tick(f.now);
  const auto ask = std::get<ShardTable::AskRelease>(f.table.take_actions().at(0));
  f.table.on_left(NodeId{2}, f.now);
  CHECK(f.table.map().moving == ask.release.shards);
  f.settle();
  f.table.on_released(ask.owner, {ask.release.shards[0], ask.release.map_version}, f.now);
  CHECK_FALSE(f.table.find_active_owner(ask.release.shards[0]));  // released: its owner must take it anew
  CHECK(f.table.map().owned_since[ask.release.shards[0].value] == f.table.map().version);
  f.settle();
  CHECK(f.table.is_settled());
  CHECK(f.table.count_owned(NodeId{1}) == 8);
}

TEST_CASE("shard table: what a former owner says it took counts for nothing", "[cluster]") {
  ShardTableFixture f;
  f.join(1);
  f.join(2);
  f.table.open(f.now);
  f.table.on_taken(NodeId{2}, {{{ShardId{0}, Epoch{1}}, {ShardId{99}, Epoch{1}}}, MapVersion{1}}, f.now);
  CHECK_FALSE(f.table.find_active_owner(ShardId{0}));
}

TEST_CASE("shard table: a drained member loses its shards without waiting", "[cluster]") {
  ShardTableFixture f;
  f.join(1);
  f.join(2);
  f.table.open(f.now);
  f.settle();
  REQUIRE(f.table.count_owned(NodeId{2}) == 4);
  f.table.drain(NodeId{2}, f.now);
  f.table.on_tick(f.now);
  f.settle();
  CHECK(f.table.count_owned(NodeId{2}) == 0);
  CHECK(f.releases == 4);
  CHECK(f.table.is_level());
  f.table.stop_draining(NodeId{2});
  CHECK_FALSE(f.table.is_level());
}

TEST_CASE("shard table: what a drained member holds is its own until it has released it", "[cluster]") {
  ShardTableFixture f;
  for (const std::uint16_t node : {1, 2, 3}) f.join(node);
  f.table.open(f.now);
  f.settle();
  const std::size_t held = f.table.count_owned(NodeId{3});
  f.table.drain(NodeId{3}, f.now);
  f.table.on_left(NodeId{1}, f.now);
  CHECK(f.table.count_owned(NodeId{3}) == held);
  CHECK(f.table.count_owned(NodeId{2}) == 8 - held);
}

TEST_CASE("shard table: an old node's shards go to the new generation, and no shard goes back", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  f.join(3, 2);
  f.settle();
  f.now += 10s;
  f.table.on_tick(f.now);
  CHECK(f.table.take_actions().empty());  // no rebalancing while two generations run
  f.table.drain(NodeId{1}, f.now);
  f.table.on_tick(f.now);
  f.settle();
  CHECK(f.table.count_owned(NodeId{1}) == 0);
  CHECK(f.table.count_owned(NodeId{2}) == 4);
  CHECK(f.table.count_owned(NodeId{3}) == 4);

  f.table.on_left(NodeId{3}, f.now);
  f.settle();
  CHECK(f.table.count_owned(NodeId{2}) == 4);
  CHECK(std::ranges::count(f.table.map().owners, NodeId{0}) == 4);  // they wait
  CHECK_FALSE(f.table.is_settled());
  f.table.on_left(NodeId{1}, f.now);
  f.join(1, 2);
  f.settle();
  CHECK(f.table.is_settled());
  CHECK(f.table.count_owned(NodeId{1}) == 4);
}

TEST_CASE("shard table: what a crash leaves goes to the newest generation that is there", "[cluster]") {
  ShardTableFixture f;
  f.start(3);
  f.join(4, 2);
  f.settle();
  const std::size_t lost = f.table.count_owned(NodeId{1});
  f.table.on_left(NodeId{1}, f.now);
  f.settle();
  CHECK(f.table.count_owned(NodeId{4}) == lost);
}

TEST_CASE("shard table: shards that wait for a newer generation are no reason to move others", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  f.join(3, 2);
  f.settle();
  f.table.drain(NodeId{1}, f.now);
  f.table.on_tick(f.now);
  f.settle();
  f.table.on_left(NodeId{3}, f.now);
  f.settle();
  const std::size_t releases = f.releases;
  f.now += 10s;
  f.table.on_tick(f.now);
  f.settle();
  CHECK(f.releases == releases);
}

TEST_CASE("shard table: a drained member gives a bounded number of shards away at once", "[cluster]") {
  ShardTableFixture f;
  f.table = ShardTable{64, 3s};
  f.start(2);
  f.table.drain(NodeId{1}, f.now);
  f.table.on_tick(f.now);
  const auto actions = f.table.take_actions();
  REQUIRE(actions.size() == 1);
  const auto ask = std::get<ShardTable::AskRelease>(actions[0]);
  CHECK(ask.release.shards.size() == ShardTable::kDrainedAtOnceMax);
  f.table.on_tick(f.now);
  CHECK(f.table.take_actions().empty());

  // A released shard makes room for the next only once it has been taken.
  f.table.on_released(NodeId{1}, {ask.release.shards[0], ask.release.map_version}, f.now);
  f.table.on_tick(f.now);
  const auto published = f.table.take_actions();
  REQUIRE(published.size() == 1);
  const auto& map = std::get<ShardTable::Publish>(published[0]).map;
  CHECK(map.owners[ask.release.shards[0].value] == NodeId{2});
  for (std::size_t i = 1; i < ask.release.shards.size(); ++i)
    CHECK(map.owners[ask.release.shards[i].value] == NodeId{1});
  f.table.on_taken(NodeId{2}, {{{ask.release.shards[0], Epoch{99}}}, map.version}, f.now);
  const auto next = f.table.take_actions();
  REQUIRE(next.size() == 1);
  CHECK(std::get<ShardTable::AskRelease>(next[0]).release.shards.size() == 1);
}

TEST_CASE("shard table: in a drain a slow move holds up no other, and all of them share its grace", "[cluster]") {
  for (const bool is_drain : {true, false}) {
    CAPTURE(is_drain);
    ShardTableFixture f;
    f.table = ShardTable{16, 3s};
    f.start(is_drain ? 2 : 1);
    if (is_drain)
      f.table.drain(NodeId{1}, f.now);
    else
      f.join(2);
    static_cast<void>(f.table.take_actions());  // the map, which changes nothing for anybody
    const auto count_asked = [&] {
      std::size_t count = 0;
      f.table.on_tick(f.now);
      for (const auto& action : f.table.take_actions()) {
        const auto& release = std::get<ShardTable::AskRelease>(action).release;
        count += release.shards.size();
        CHECK(release.announced_ago == (is_drain ? f.now - ShardTable::TimePoint{} : 0s));
      }
      return count;
    };
    const std::size_t usual = is_drain ? ShardTable::kDrainedAtOnceMax : 1;
    CHECK(count_asked() == usual);
    f.now += ShardTable::kSlowMove - 1ms;
    CHECK(count_asked() == 0);
    f.now += 1ms;
    CHECK(count_asked() == (is_drain ? 8 - usual : 0));
    CHECK(f.table.has_move_since(f.now - ShardTable::kSlowMove));
    CHECK_FALSE(f.table.has_move_since(f.now - 1s));
  }
}

TEST_CASE("shard table: when all members are drained, nothing moves", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  f.table.drain(NodeId{1}, f.now);
  f.table.drain(NodeId{2}, f.now);
  f.table.on_tick(f.now);
  CHECK(f.table.take_actions().empty());
}

TEST_CASE("shard table: closed, it gives nothing away, and opened again, it deals everything out anew", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  const auto version = f.table.map().version;
  f.table.close();
  CHECK_FALSE(f.table.find_active_owner(ShardId{0}));
  f.table.on_left(NodeId{1}, f.now);
  f.table.on_left(NodeId{2}, f.now);
  f.join(1, 2);
  f.join(2, 2);
  f.table.on_tick(f.now + 10s);
  CHECK(f.table.take_actions().empty());
  CHECK_FALSE(f.table.is_settled());
  f.before.clear();
  f.table.open(f.now);
  f.settle();
  CHECK(f.table.is_settled());
  CHECK(f.table.map().version > version);
  CHECK(f.table.count_owned(NodeId{1}) == 4);
}

TEST_CASE("shard table: a map says which shards a dead member has left, for an hour however they move", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  CHECK(f.table.map().orphaned.empty());
  std::vector<ShardId> left;
  for (std::uint32_t shard = 0; shard < 8; ++shard)
    if (f.table.map().owners[shard] == NodeId{2}) left.push_back(ShardId{shard});
  f.table.on_death(NodeId{2}, f.now);
  f.table.on_left(NodeId{2}, f.now);
  CHECK(f.table.list_orphans() == left);
  f.settle();
  CHECK(f.table.map().orphaned == left);
  CHECK(f.table.list_orphans().empty());  // taken

  const auto level = [&] {
    for (int i = 0; i < 20; ++i) {
      f.now += 3s;
      f.table.on_tick(f.now);
      f.settle();
    }
    REQUIRE(f.table.is_level());
  };
  f.join(2);
  level();
  CHECK(f.table.count_owned(NodeId{2}) == 4);
  CHECK(f.table.map().orphaned == left);
  CHECK(f.orphans_on_their_way == 0);  // given back in order since

  f.now += ShardTable::kDeathKnownFor;
  f.join(3);
  level();
  CHECK(f.table.map().orphaned.size() < left.size());
  for (const ShardId shard : f.table.map().orphaned) CHECK(f.table.map().owners[shard.value] != NodeId{3});
}

TEST_CASE("shard table: of members that stop together only those that die leave orphans", "[cluster]") {
  ShardTableFixture f;
  f.start(2);
  const auto owners = f.table.map().owners;
  f.table.note_orphans({ShardId{0}}, f.now);
  f.table.close();
  f.table.on_left(NodeId{1}, f.now);
  f.table.on_death(NodeId{2}, f.now);
  f.table.on_left(NodeId{2}, f.now);
  f.join(1);
  f.join(2);
  f.before.clear();
  f.table.open(f.now);
  f.settle();
  for (std::uint32_t shard = 0; shard < 8; ++shard) {
    const bool is_orphaned = std::ranges::find(f.table.map().orphaned, ShardId{shard}) != f.table.map().orphaned.end();
    CHECK(is_orphaned == (owners[shard] == NodeId{2}));
  }
}
