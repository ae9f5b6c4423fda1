#include "client/router.hpp"

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/limits.hpp"
#include "kernel/record.hpp"
#include "reflect/schema_of.hpp"
#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;
using epic::client::Router;
using testing_entities::Counter;

namespace {

constexpr std::uint32_t kShards = 8;
constexpr PeerAddress kNode1{NodeId{1}, 11};
constexpr PeerAddress kNode2{NodeId{2}, 22};

/// A router between a test that makes calls and a test that plays the nodes.
struct RouterFixture {
  struct Sent {
    PeerAddress to;
    CallMessage call;
  };

  RouterFixture() { router.on_time(now); }

  std::int64_t now = 1;
  codec::CapnpCodec codec;
  std::vector<Sent> sent;
  std::vector<std::pair<PeerAddress, CallId>> cancelled;
  std::uint64_t last_number = 0;  // of a call, for cancel()
  std::vector<HelloMessage> hellos;
  bool has_room = true;
  Router router{7,
                10s,
                codec,
                {.send =
                     [this](const PeerAddress& to, Message message) {
                       if (const auto* cancel = std::get_if<CancelMessage>(&message))
                         cancelled.emplace_back(to, cancel->id);
                       else
                         sent.push_back({to, std::get<CallMessage>(std::move(message))});
                     },
                 .has_room = [this](const PeerAddress&) { return has_room; },
                 .introduce = [this](const HelloMessage& hello) { hellos.push_back(hello); }}};

  /// How a call ended: a number, or the name of the error.
  std::shared_ptr<std::string> call(std::string_view key, std::chrono::nanoseconds timeout = 0ns,
                                    std::string idempotency_key = {}) {
    auto outcome = std::make_shared<std::string>("open");
    const Ref<Counter> counter(key);
    auto record = (timeout == 0ns ? counter->add(1) : counter.with(timeout)->add(1)).epic_take_record();
    if (!idempotency_key.empty()) set_key(*record, std::move(idempotency_key));
    last_number = router.submit(RecordRef(record.detach()), [outcome](RecordRef ended) {
      try {
        *outcome = std::to_string(static_cast<epic::detail::ResultRecord<std::int64_t>&>(*ended).take());
      } catch (const Error& error) {
        *outcome = to_string(error.code());
      }
    });
    return outcome;
  }
  void join(const PeerAddress& node, const std::string& fabric = "f/1", kernel::PlacementGroups groups = {}) {
    HelloMessage hello{
        .from = node, .fabric = fabric, .shard_count = kShards, .methods = {}, .groups = std::move(groups)};
    hello.methods.push_back({"Counter", "add", "", reflect::schema_of(reflect::type_of<std::int64_t>()).text()});
    router.on_hello(node, hello);
  }
  void publish(std::uint64_t version, NodeId owner, std::uint64_t owned_since = 1) {
    router.on_map({MapVersion{version},
                   std::vector<NodeId>(kShards, owner),
                   {{NodeId{1}, Incarnation{11}, "1.sock"}, {NodeId{2}, Incarnation{22}, "2.sock"}},
                   {},
                   std::vector<MapVersion>(kShards, MapVersion{owned_since})});
  }
  void answer(std::size_t which, std::int64_t result) {
    ResultPart part;
    codec.encode(reflect::type_of<std::int64_t>(), &result, part.bytes);
    router.on_reply(sent[which].to, {sent[which].call.id.sequence, part});
  }
  void refuse(std::size_t which, std::uint64_t version) {
    router.on_reply(sent[which].to, {sent[which].call.id.sequence, RefusedPart{MapVersion{version}}});
  }
  void wait(std::chrono::nanoseconds duration) { router.on_time(now += duration.count()); }
};

}  // namespace

TEST_CASE("router: a call goes to the owner of its shard, and its result comes back", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{2});
  const auto outcome = f.call("a");
  REQUIRE(f.sent.size() == 1);
  CHECK(f.sent[0].to == kNode2);
  CHECK(f.sent[0].call.target == "Counter/a");
  CHECK(*outcome == "open");
  f.join(kNode2);
  f.answer(0, 41);
  CHECK(*outcome == "41");
  CHECK(f.router.count() == 0);
}

TEST_CASE("router: calls that a node has no room for wait, in order, until it has", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  f.has_room = false;
  const auto first = f.call("a");
  const auto short_one = f.call("a", 1s);
  f.has_room = true;
  const auto second = f.call("a");  // not before the first
  CHECK(f.sent.empty());
  f.has_room = false;
  f.router.on_room(kNode1);  // and at once there is none again
  CHECK(f.sent.empty());
  f.wait(2s);
  CHECK(*short_one == "unavailable");
  f.has_room = true;
  f.router.on_room(kNode2);
  CHECK(f.sent.empty());
  f.router.on_room(kNode1);
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[0].call.id.sequence < f.sent[1].call.id.sequence);
  f.answer(0, 1);
  f.answer(1, 2);
  CHECK(*first == "1");
  CHECK(*second == "2");
}

TEST_CASE("router: a method is introduced before its first call, once", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  f.call("a");
  f.call("b");
  REQUIRE(f.hellos.size() == 1);
  REQUIRE(f.hellos[0].methods.size() == 1);
  CHECK(f.hellos[0].methods[0].method == "add");
  CHECK(f.sent[1].call.method == 0);
}

TEST_CASE("router: calls made before a map is there wait for it, in order", "[client]") {
  RouterFixture f;
  f.call("a");
  f.call("a");
  f.join(kNode1);
  CHECK(f.sent.empty());
  f.publish(1, NodeId{1});
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[0].call.id.sequence < f.sent[1].call.id.sequence);
}

TEST_CASE("router: a refused call is sent again by the next map, before those made after it", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto first = f.call("a");
  const auto second = f.call("a");
  f.refuse(0, 2);
  const auto third = f.call("a");
  f.refuse(1, 2);
  CHECK(f.sent.size() == 2);
  f.publish(2, NodeId{2});
  REQUIRE(f.sent.size() == 5);
  for (std::size_t i = 2; i < 5; ++i) CHECK(f.sent[i].to == kNode2);
  CHECK(f.sent[2].call.id.sequence == f.sent[0].call.id.sequence);
  CHECK(f.sent[3].call.id.sequence == f.sent[1].call.id.sequence);
  for (std::size_t i = 2; i < 5; ++i) f.answer(i, static_cast<std::int64_t>(i));
  CHECK(*first + *second + *third == "234");
}

TEST_CASE("router: without a newer map a refused call is tried again after a while", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  f.call("a");
  f.refuse(0, 1);
  CHECK(f.sent.size() == 1);
  f.wait(limits::kRetryParked);
  CHECK(f.sent.size() == 2);
}

TEST_CASE("router: nothing goes to a new owner while the former one has calls unanswered", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto first = f.call("a");
  f.publish(2, NodeId{2});
  f.call("a");
  CHECK(f.sent.size() == 1);
  f.answer(0, 1);
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[1].to == kNode2);
  CHECK(*first == "1");
}

TEST_CASE("router: a call with an idempotency key is sent again when its node is lost", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto outcome = f.call("a", 0ns, "order-17");
  const auto plain = f.call("b");
  REQUIRE(f.sent.size() == 2);
  REQUIRE(f.sent[0].call.extensions.has_value());
  CHECK(f.sent[0].call.extensions->idempotency_key == "order-17");
  CHECK_FALSE(f.sent[1].call.extensions.has_value());
  f.wait(1s);
  f.router.on_lost(kNode1);
  CHECK(*outcome == "open");
  CHECK(*plain == "node_lost");
  f.publish(2, NodeId{2}, 2);
  REQUIRE(f.sent.size() == 3);
  CHECK(f.sent[2].to == kNode2);
  CHECK(f.sent[2].call.extensions == f.sent[0].call.extensions);
  CHECK(f.sent[2].call.patience_ns == std::chrono::nanoseconds(9s).count());  // of the first 10
  f.answer(2, 41);
  CHECK(*outcome == "41");
}

TEST_CASE("router: a call that may have run before it was sent again does not end as if it had not started",
          "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto outcome = f.call("a", 0ns, "order-17");
  f.router.on_lost(kNode1);
  f.publish(2, NodeId{2}, 2);
  REQUIRE(f.sent.size() == 2);
  f.router.on_reply(kNode2, {f.sent[1].call.id.sequence, ErrorPart{ErrorCode::unavailable, {}, "the disk is full"}});
  CHECK(*outcome == "open");
  f.wait(limits::kRetryParked);
  REQUIRE(f.sent.size() == 3);
  f.router.on_reply(kNode2, {f.sent[2].call.id.sequence, ErrorPart{ErrorCode::unavailable, "epic::Unavailable", "x"}});
  CHECK(*outcome == "unavailable");  // the method has thrown it
}

TEST_CASE("router: a call with an idempotency key whose node was lost ends with Timeout, at its deadline", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  const auto outcome = f.call("a", 5s, "order-17");
  f.router.on_lost(kNode1);
  const auto never_sent = f.call("b", 5s, "order-18");
  f.router.on_unreachable("no fabric is running");
  CHECK(*never_sent == "unavailable");
  f.wait(4s);
  CHECK(*outcome == "open");
  f.wait(1s);
  CHECK(*outcome == "timeout");  // it may have run
  CHECK(f.router.count() == 0);
}

TEST_CASE("router: calls that were sent to a lost node end with NodeLost, waiting ones wait on", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto sent = f.call("a");
  f.publish(2, NodeId{2});
  const auto waiting = f.call("a");
  f.router.on_lost(kNode1);
  CHECK(*sent == "node_lost");
  REQUIRE(f.sent.size() == 2);
  f.answer(1, 5);
  CHECK(*waiting == "5");
}

TEST_CASE("router: what a node that ends has not answered goes to the next owner, in order", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto first = f.call("a");
  const auto second = f.call("a");
  f.router.on_reply(kNode1, {0, RefusedPart{MapVersion{2}}});
  f.router.on_lost(kNode1);
  CHECK(*first + *second == "openopen");
  CHECK(f.sent.size() == 2);
  f.publish(2, NodeId{2});
  REQUIRE(f.sent.size() == 4);
  CHECK(f.sent[2].to == kNode2);
  CHECK(f.sent[2].call.id == f.sent[0].call.id);
  CHECK(f.sent[3].call.id == f.sent[1].call.id);
}

TEST_CASE("router: to a node that has taken its leave nothing is sent, though the map still names it", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  f.call("a");
  f.publish(2, NodeId{1});
  f.router.on_reply(kNode1, {0, RefusedPart{MapVersion{1}}});
  CHECK(f.sent.size() == 1);
}

TEST_CASE("router: to an owner that has had the shard before nothing is sent ahead of what was sent to it then",
          "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  const auto first = f.call("a");
  f.publish(3, NodeId{1}, 3);  // another node owned it in between
  const auto second = f.call("a");
  CHECK(f.sent.size() == 1);
  f.refuse(0, 3);
  REQUIRE(f.sent.size() == 3);
  CHECK(f.sent[1].call.id.sequence == f.sent[0].call.id.sequence);
  CHECK(f.sent[2].call.id.sequence > f.sent[1].call.id.sequence);
  f.publish(4, NodeId{1}, 3);  // a change elsewhere
  const auto third = f.call("a");
  CHECK(f.sent.size() == 4);
}

TEST_CASE("router: at its deadline a sent call is a Timeout, one that never left is Unavailable", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  const auto sent = f.call("a", 2s);
  f.router.on_map({MapVersion{2}, std::vector<NodeId>(kShards), {}, {}, {}});
  const auto parked = f.call("b", 1s);
  const auto by_default = f.call("c");
  f.wait(1s);
  CHECK(*parked == "unavailable");
  CHECK(*sent == "open");
  f.wait(1s);
  CHECK(*sent == "timeout");
  f.wait(7s);
  CHECK(*by_default == "open");
  f.wait(1s);
  CHECK(*by_default == "unavailable");
  CHECK_FALSE(f.router.next_timer_ns());
}

TEST_CASE("router: if no node can be reached the calls that wait for one fail, and those that come later wait",
          "[client]") {
  RouterFixture f;
  const auto before = f.call("a");
  f.router.on_unreachable("nobody is there");
  CHECK(*before == "unavailable");
  const auto after = f.call("a");
  CHECK(*after == "open");
  f.join(kNode1);
  f.publish(1, NodeId{1});
  CHECK(f.sent.size() == 1);
}

TEST_CASE("router: another fabric's first map counts, whatever its version", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(9, NodeId{1});
  const auto former = f.call("a");
  f.join({NodeId{1}, 99}, "f/2");
  CHECK(*former == "node_lost");
  f.call("a");
  CHECK(f.sent.size() == 1);
  f.publish(1, NodeId{2});
  CHECK(f.sent.size() == 2);
}

TEST_CASE("router: the types of a connected node are known, also after a node of another fabric has answered meanwhile",
          "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.join({NodeId{3}, 33}, "f/0");  // has outlived its fabric
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto outcome = f.call("a");
  REQUIRE(f.sent.size() == 1);
  CHECK(f.sent[0].to == kNode1);
  f.answer(0, 41);
  CHECK(*outcome == "41");
}

TEST_CASE("router: an answer to a call that nobody waits for is ignored", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  const auto outcome = f.call("a", 1s);
  f.wait(1s);
  CHECK(*outcome == "timeout");
  f.answer(0, 1);
  f.router.on_reply(kNode1, {12345, ResultPart{}});
  CHECK(*outcome == "timeout");
}

TEST_CASE("router: a cancelled call ends at once, and its node hears of it if it was sent there", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.publish(1, NodeId{1});
  const auto sent = f.call("a");
  f.router.cancel(f.last_number);
  CHECK(*sent == "cancelled");
  REQUIRE(f.cancelled.size() == 1);
  CHECK(f.cancelled[0] == std::pair{kNode1, f.sent[0].call.id});
  CHECK(f.router.count() == 0);
  CHECK_FALSE(f.router.next_timer_ns());

  f.router.cancel(f.last_number);  // it has ended
  f.answer(0, 41);
  CHECK(*sent == "cancelled");
  CHECK(f.cancelled.size() == 1);

  f.router.on_map({MapVersion{2}, std::vector<NodeId>(kShards), {}, {}, {}});
  const auto waiting = f.call("b");
  f.router.cancel(f.last_number);
  CHECK(*waiting == "cancelled");
  CHECK(f.cancelled.size() == 1);
  f.publish(3, NodeId{1});
  CHECK(f.sent.size() == 1);
}

TEST_CASE("router: what waited for the answer of a call that is cancelled goes to the new owner", "[client]") {
  RouterFixture f;
  f.join(kNode1);
  f.join(kNode2);
  f.publish(1, NodeId{1});
  const auto first = f.call("a");
  const std::uint64_t number = f.last_number;
  f.publish(2, NodeId{2});
  const auto second = f.call("a");
  CHECK(f.sent.size() == 1);
  f.router.cancel(number);
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[1].to == kNode2);
  f.answer(1, 7);
  CHECK(*first + *second == "cancelled7");
}

TEST_CASE("router: a tagged key goes where the fabric's groups have it, and elsewhere in another fabric", "[client]") {
  const kernel::ShardId alone = kernel::ungrouped(kShards).shard_of("Counter/{x}");
  std::string group = "Room";
  const auto shard_in_group = [&] { return kernel::Placement(kShards, {{"Counter", group}}).shard_of("Counter/{x}"); };
  while (shard_in_group() == alone) group += 'x';
  RouterFixture f;
  CHECK(f.router.hello().places_groups);
  const auto outcome = f.call("{x}");  // before any node is known
  const auto publish = [&](std::uint64_t version) {
    std::vector<NodeId> owners(kShards, NodeId{1});
    owners[shard_in_group().value] = NodeId{2};
    f.router.on_map({MapVersion{version},
                     owners,
                     {{NodeId{1}, Incarnation{11}, "1.sock"}, {NodeId{2}, Incarnation{22}, "2.sock"}},
                     {},
                     std::vector<MapVersion>(kShards, MapVersion{1})});
  };
  f.join(kNode1, "f/1", {{"Counter", group}});
  publish(1);
  REQUIRE(f.sent.size() == 1);
  CHECK(f.sent[0].to == kNode2);
  f.join(kNode1, "f/2");
  publish(1);
  const auto later = f.call("{x}");
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[1].to == kNode1);
}
