#include "kernel/routing/shard_router.hpp"

#include <catch2/catch.hpp>

#include <climits>
#include <deque>
#include <string>

#include "kernel/limits.hpp"

using namespace epic::kernel;

namespace {

constexpr ShardId kShard{3};
constexpr PeerAddress kNode1{NodeId{1}, 11};
constexpr PeerAddress kNode2{NodeId{2}, 22};
constexpr std::int64_t kRetryNs = std::chrono::nanoseconds(limits::kRetryParked).count();

/// Sends what may be sent, and writes down what went where: "1>2" is call 1 to node-2.
struct ShardRouterFixture : ShardRouter::Listener {
  ShardRouter router{*this};
  std::deque<RoutedCall> calls;
  std::string sent;
  int room = INT_MAX;  // for so many calls

  RoutedCall& make(ShardId shard = kShard) {
    RoutedCall& call = calls.emplace_back();
    call.sequence = calls.size();
    call.shard = shard;
    route(call);
    return call;
  }
  void route(RoutedCall& call) override {
    const PeerAddress owner = router.find_way(call);
    if (owner.life == 0 || room == 0) return router.park(call);
    --room;
    router.on_sent(call, owner);
    sent += std::to_string(call.sequence) + ">" + std::to_string(owner.node.value) + " ";
  }
  void publish(std::uint64_t version, NodeId owner, std::uint64_t owned_since = 1) {
    ShardMap map{MapVersion{version}, std::vector<NodeId>(8, owner), {}, {}, {}};
    map.members = {{NodeId{1}, Incarnation{11}, ""}, {NodeId{2}, Incarnation{22}, ""}};
    map.owned_since.assign(8, MapVersion{owned_since});
    REQUIRE(router.set_map(std::move(map)));
    for (const ShardId shard : router.unblock_all()) router.retry(shard, ShardRouter::Pace::at_once);
  }
};

}  // namespace

TEST_CASE("shard router: calls wait for an owner, and go to it in order", "[kernel]") {
  ShardRouterFixture f;
  f.make();
  f.make();
  CHECK(f.sent.empty());
  f.publish(1, NodeId{2});
  CHECK(f.sent == "1>2 2>2 ");
  CHECK(f.router.find_sent(kNode2, 2) == &f.calls[1]);
  CHECK(f.router.find_sent(kNode1, 2) == nullptr);
}

TEST_CASE("shard router: room goes to one shard after the other, though calls keep coming for each", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  f.room = 0;
  for (int i = 0; i < 3; ++i)
    for (const std::uint32_t shard : {2, 5, 7}) f.make(ShardId{shard});  // calls 1, 2, 3, then 4, 5, 6 …
  f.router.on_room(kNode2);
  CHECK(f.sent.empty());
  const auto give_room = [&f](int calls) {
    f.sent.clear();
    f.room = calls;
    f.router.on_room(kNode1);
    return f.sent;
  };
  CHECK(give_room(2) == "1>1 4>1 ");
  f.make(ShardId{2});  // call 10
  CHECK(give_room(2) == "2>1 5>1 ");
  f.make(ShardId{2});
  CHECK(give_room(4) == "3>1 6>1 9>1 7>1 ");
  CHECK(give_room(1) == "8>1 ");
  CHECK(give_room(9) == "10>1 11>1 ");
}

TEST_CASE("shard router: nothing goes to a new owner before the former has answered", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  f.make();
  f.publish(2, NodeId{2}, 2);
  f.make();
  f.make();
  CHECK(f.sent == "1>1 ");
  f.router.forget(f.calls[0]);
  CHECK(f.sent == "1>1 2>2 3>2 ");
}

TEST_CASE("shard router: an owner that gets a shard back counts as a new one", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  f.make();
  f.publish(3, NodeId{1}, 3);
  f.make();
  CHECK(f.sent == "1>1 ");
  f.router.forget(f.calls[0]);
  CHECK(f.sent == "1>1 2>1 ");
}

TEST_CASE("shard router: a refused call goes before those made after it, by the next map", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  f.make();
  f.make();
  f.router.on_refused(f.calls[1], 0);
  f.make();
  f.router.on_refused(f.calls[0], 0);
  CHECK(f.sent == "1>1 2>1 ");
  f.publish(2, NodeId{2}, 2);
  CHECK(f.sent == "1>1 2>1 1>2 2>2 3>2 ");
}

TEST_CASE("shard router: without a newer map, refused calls are sent again after a while", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  f.make();
  f.router.on_refused(f.calls[0], 5);
  CHECK(f.router.next_timer_ns() == 5 + kRetryNs);
  f.router.on_time(4 + kRetryNs);
  CHECK(f.sent == "1>1 ");
  f.router.on_time(5 + kRetryNs);
  CHECK(f.sent == "1>1 1>1 ");
  CHECK_FALSE(f.router.next_timer_ns());
}

TEST_CASE("shard router: a refusal by an older map blocks nothing", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  f.make();
  f.publish(2, NodeId{2}, 2);
  f.router.on_refused(f.calls[0], 0);
  CHECK(f.sent == "1>1 1>2 ");
}

TEST_CASE("shard router: to a lost peer nothing is sent, and other peers' calls go on", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  f.make();
  f.make(ShardId{4});
  f.router.block(kNode1, 0);
  CHECK(f.router.list_sent(kNode1) == std::vector{&f.calls[0], &f.calls[1]});
  CHECK(f.router.list_sent(kNode2).empty());
  f.router.forget(f.calls[0]);
  f.make();
  CHECK(f.sent == "1>1 2>1 ");
  f.publish(2, NodeId{2}, 2);
  CHECK(f.sent == "1>1 2>1 3>2 ");
}

TEST_CASE("shard router: a parked call that has ended is not sent", "[kernel]") {
  ShardRouterFixture f;
  f.make();
  f.make();
  f.router.forget(f.calls[0]);
  f.publish(1, NodeId{1});
  CHECK(f.sent == "2>1 ");
}

TEST_CASE("shard router: shards without calls take no room", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  for (std::uint16_t shard = 0; shard < 8; ++shard) f.make(ShardId{shard});
  CHECK(f.router.shard_count() == 8);
  for (RoutedCall& call : f.calls) f.router.forget(call);
  CHECK(f.router.shard_count() == 0);
}

TEST_CASE("shard router: of many parked calls a tick sends a bounded number, in order, and new ones wait behind them",
          "[kernel]") {
  ShardRouterFixture f;
  for (std::size_t i = 0; i < 2 * limits::kRoutedPerTick; ++i) f.make();
  f.publish(1, NodeId{2});
  const auto sent_count = [&f] { return std::ranges::count(f.sent, '>'); };
  CHECK(sent_count() == limits::kRoutedPerTick);
  f.make();
  CHECK(sent_count() == limits::kRoutedPerTick);
  CHECK(f.router.next_timer_ns() == 0);
  f.router.on_time(1);
  CHECK(sent_count() == 2 * limits::kRoutedPerTick);
  f.router.on_time(2);
  CHECK(sent_count() == 2 * limits::kRoutedPerTick + 1);
  CHECK_FALSE(f.router.next_timer_ns());
  std::string in_order;
  for (std::size_t i = 1; i <= 2 * limits::kRoutedPerTick + 1; ++i) in_order += std::to_string(i) + ">2 ";
  CHECK(f.sent == in_order);
}

TEST_CASE("shard router: calls to a lost peer end by slices, and nothing overtakes them meanwhile", "[kernel]") {
  ShardRouterFixture f;
  f.publish(1, NodeId{1});
  for (int i = 0; i < 10; ++i) f.make();
  const bool has_refused = GENERATE(false, true);
  f.router.lose(kNode1, has_refused);
  CHECK(f.router.find_sent(kNode1, 1) == nullptr);
  f.publish(2, NodeId{2}, 2);
  f.make();
  for (int left = 10; left > 0; left -= 5) {
    const std::vector<ShardRouter::Lost> lost = f.router.list_lost(5);
    REQUIRE(lost.size() == 5);
    CHECK(f.router.find_way(f.calls.back()).life == 0);
    for (const auto& [call, is_refused] : lost) {
      CHECK(is_refused == has_refused);
      is_refused ? f.router.on_refused(*call, 0) : f.router.forget(*call);
    }
  }
  CHECK_FALSE(f.router.has_lost());
  CHECK(f.sent.substr(f.sent.find("10>1 ") + 5) ==
        (has_refused ? "1>2 2>2 3>2 4>2 5>2 6>2 7>2 8>2 9>2 10>2 11>2 " : "11>2 "));
}
