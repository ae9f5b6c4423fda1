#include "kernel/frames/frames.hpp"

#include <catch2/catch.hpp>

#include "unit/kernel/kernel_parts.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;

namespace {

constexpr PeerAddress kOther{NodeId{2}, 22};

/// Two nodes: this one, and another that the test plays.
struct FramesFixture final : testing_entities::KernelParts, Answers::Listener {
  Outbox outbox{{.shard_count = 1,
                 .has_shared_store = true,
                 .codec = codec,
                 .scheduler = scheduler,
                 .types = types,
                 .words = words,
                 .routing = routing,
                 .saving = saving}};
  Reminders reminders{{.shard_count = 1,
                       .has_shared_store = true,
                       .codec = codec,
                       .admission = admission,
                       .scheduler = scheduler,
                       .routing = routing,
                       .saving = saving,
                       .outbox = outbox,
                       .syscalls = world}};
  Inbox inbox{{.self = kSelf,
               .codec = codec,
               .admission = admission,
               .scheduler = scheduler,
               .types = types,
               .routing = routing,
               .saving = saving,
               .outbox = outbox,
               .reminders = reminders,
               .calls = calls,
               .syscalls = world}};
  Answers answers{{.has_shared_store = true,
                   .codec = codec,
                   .scheduler = scheduler,
                   .types = types,
                   .words = words,
                   .routing = routing,
                   .saving = saving,
                   .calls = calls,
                   .syscalls = world},
                  *this};
  Frames frames{{.self = kSelf,
                 .shard_count = 1,
                 .codec = codec,
                 .admission = admission,
                 .scheduler = scheduler,
                 .types = types,
                 .words = words,
                 .routing = routing,
                 .events = events,
                 .saving = saving,
                 .calls = calls,
                 .cancellations = cancellations,
                 .activations = activations,
                 .inbox = inbox,
                 .answers = answers,
                 .syscalls = world}};

  FramesFixture() {
    frames.on_hello(kOther, {.protocol = 1, .from = kOther, .fabric = {}, .methods = types.hello_methods()});
  }

  void leave(RecordRef call, const TypeEntry& type, const Record* maker) override {
    frames.leave(std::move(call), type, maker);
  }
  void reply(Record& call) override { frames.reply(call); }
  void route_again(RecordRef call) override { frames.route(std::move(call)); }
  void release(Outgoing item) override { frames.release(std::move(item)); }
  void route(RoutedCall& call) override {
    calls.route(RecordRef::share(static_cast<epic::detail::CallSite&>(call).record));
  }
  void on_durable() override {
    routing.on_committed();
    activations.sweep();
  }

  void give_shard_to(const PeerAddress& owner) {
    for (const ShardId shard : routing
                                   .on_map({.version = MapVersion{routing.version().value + 1},
                                            .owners = {owner.node},
                                            .members = {{kSelf.node, Incarnation{kSelf.life}, ""},
                                                        {kOther.node, Incarnation{kOther.life}, ""}},
                                            .moving = {},
                                            .owned_since = {}})
                                   .lost)
      activations.on_lost(shard);
    routing.retry_all();
  }
  /// A call that the other node sends.
  CallMessage call_of(const std::string& target, std::string_view method, std::int64_t amount) {
    const TypeEntry& type = *types.find("Counter");
    CallMessage call{.id = {kOther.node, kOther.life, 7},
                     .target = target,
                     .method = types.number_of(type, *type.info->find_method(method)),
                     .map_version = routing.version(),
                     .patience_ns = 1'000'000'000,
                     .chain = {},
                     .arguments = {}};
    const std::tuple<std::int64_t> arguments{amount};
    if (method == "add") codec.encode(type.info->find_method(method)->arguments(), &arguments, call.arguments);
    return call;
  }
  template <class Sent>
  [[nodiscard]] const Sent& last_sent() const {
    REQUIRE_FALSE(world.sent.empty());
    return std::get<Sent>(world.sent.back().second);
  }
};

}  // namespace

TEST_CASE("frames: a call to another node's entity is sent there, and its answer ends it", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto call = f.begin(Ref<Counter>("a")->get());
  const auto& sent = f.last_sent<CallMessage>();
  CHECK(sent.target == "Counter/a");
  ResultPart result;
  const std::int64_t five = 5;
  f.codec.encode(reflect::type_of<std::int64_t>(), &five, result.bytes);
  f.frames.on_message(kOther, ReplyMessage{sent.id.sequence, result});
  CHECK(call->take() == 5);
  CHECK(f.calls.size() == 0);
}

TEST_CASE("frames: a call from another node is answered when what it has changed is durable", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(FramesFixture::kSelf);
  f.frames.on_message(kOther, f.call_of("Counter/a", "add", 5));
  f.activations.on_loaded(f.world.loads.back(), LoadedState{});
  f.world.loads.clear();
  f.run();
  CHECK(f.world.sent.empty());
  f.saving.seal();
  CHECK(f.world.sent.empty());
  f.saving.on_committed(f.world.batches.front().number);
  CHECK(f.last_sent<ReplyMessage>().sequence == 7);
  CHECK(std::holds_alternative<ResultPart>(f.last_sent<ReplyMessage>().outcome));
}

TEST_CASE("frames: a call to a shard that is not ours is refused, and starts nothing", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  f.frames.on_message(kOther, f.call_of("Counter/a", "add", 5));
  CHECK(std::holds_alternative<RefusedPart>(f.last_sent<ReplyMessage>().outcome));
  CHECK(f.world.loads.empty());
}

TEST_CASE(
    "frames: a node that stops refuses a client's call for a shard that it has released, as it does without a stop",
    "[kernel]") {
  constexpr PeerAddress kClient{NodeId{0}, 9};
  FramesFixture f;
  f.frames.on_hello(kClient, {.protocol = 1, .from = kClient, .fabric = {}, .methods = f.types.hello_methods()});
  f.give_shard_to(FramesFixture::kSelf);
  f.routing.on_taken(ShardId{0}, Epoch{1});
  f.admission.is_draining = true;
  f.frames.on_message(kClient, f.call_of("Counter/a", "get", 0));
  CHECK(std::get<ErrorPart>(f.last_sent<ReplyMessage>().outcome).code == ErrorCode::unavailable);

  f.routing.on_asked_back(ShardId{0}, 0, 0, 1'000'000'000);
  REQUIRE_FALSE(f.routing.is_ours(ShardId{0}));  // released, and the next map is still on its way
  f.frames.on_message(kClient, f.call_of("Counter/a", "get", 0));
  CHECK(std::holds_alternative<RefusedPart>(f.last_sent<ReplyMessage>().outcome));
}

TEST_CASE("frames: a call by a number or a name that this node does not know gets an error", "[kernel]") {
  FramesFixture f;
  CallMessage call = f.call_of("Counter/a", "get", 0);
  call.method = 10'000;
  f.frames.on_message(kOther, call);
  CHECK(std::get<ErrorPart>(f.last_sent<ReplyMessage>().outcome).code == ErrorCode::no_such_method);
  f.frames.on_message(kOther, f.call_of("Account/a", "get", 0));
  CHECK(std::get<ErrorPart>(f.last_sent<ReplyMessage>().outcome).code == ErrorCode::bad_arguments);
}

TEST_CASE("frames: a refused call is parked until a newer map, and then sent again", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto call = f.begin(Ref<Counter>("a")->get());
  const std::uint64_t sequence = f.last_sent<CallMessage>().id.sequence;
  f.frames.on_message(kOther, ReplyMessage{sequence, RefusedPart{f.routing.version()}});
  CHECK(call->state == Record::State::queued);
  CHECK(f.world.sent.size() == 1);
  f.give_shard_to(kOther);
  CHECK(f.world.sent.size() == 2);
  CHECK(f.last_sent<CallMessage>().id.sequence == sequence);
}

TEST_CASE("frames: calls that a lost node has not answered end with NodeLost", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto call = f.begin(Ref<Counter>("a")->get());
  f.frames.on_peer_lost(kOther);
  CHECK_THROWS_AS(call->take(), NodeLost);
}

TEST_CASE("frames: every call to a node that died names what that was running, also those that end later", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  std::vector<decltype(f.begin(Ref<Counter>("a")->get()))> calls;
  for (std::size_t i = 0; i <= limits::kEndedPerTick; ++i) calls.push_back(f.begin(Ref<Counter>("a")->get()));
  f.frames.on_peer_lost(kOther, "Counter/b.fail");
  f.frames.on_time();
  for (const auto& call : {calls.front(), calls.back()})
    CHECK_THROWS_WITH(call->take(), Catch::Contains("it may have run. The node died while it ran Counter/b.fail"));
}

TEST_CASE("frames: calls that a leaving node has not started are taken back", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto call = f.begin(Ref<Counter>("a")->get());
  f.frames.on_message(kOther, ReplyMessage{0, RefusedPart{}});
  CHECK(call->state == Record::State::queued);
  CHECK_FALSE(call->failure);
}

TEST_CASE("frames: of a call whose answer waits for its commit, only the encoded answer is kept", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(FramesFixture::kSelf);
  f.frames.on_message(kOther, f.call_of("Counter/a", "add", 5));
  f.activations.on_loaded(f.world.loads.back(), LoadedState{});
  f.world.loads.clear();
  RecordRef call;
  f.calls.for_each([&](Record& record) { call = RecordRef::share(record); });
  REQUIRE(call->refs > 1);
  f.run();
  CHECK(f.saving.held_count() == 1);
  CHECK(call->refs == 1);
}

TEST_CASE("frames: calls to a lost node end by slices, over several ticks", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto first = f.begin(Ref<Counter>("a")->get());
  for (std::size_t i = 1; i < 3 * limits::kEndedPerTick; ++i) f.begin(Ref<Counter>("a")->get());
  f.frames.on_peer_lost(kOther);
  CHECK(f.calls.size() == 2 * limits::kEndedPerTick);
  CHECK(f.frames.next_timer_ns() == 0);
  f.frames.on_time();
  f.frames.on_time();
  CHECK(f.calls.size() == 0);
  CHECK_FALSE(f.frames.next_timer_ns());
  CHECK_THROWS_WITH(first->take(), Catch::Contains("node-2 was lost while Counter/a.get was under way there"));
}
