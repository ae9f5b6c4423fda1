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
  Outbox outbox{{.placement = placement,
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
                 .placement = placement,
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
                 .sends = sends,
                 .syscalls = world}};

  FramesFixture() { introduce(kOther, /*takes_broadcasts=*/true); }

  void introduce(const PeerAddress& peer, bool takes_broadcasts) {
    frames.on_hello(peer, {.protocol = 1,
                           .from = peer,
                           .fabric = {},
                           .methods = types.hello_methods(),
                           .takes_broadcasts = takes_broadcasts});
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

  /// The calls of one broadcast.
  using Add = Task<std::int64_t> (Counter::*)(std::int64_t);
  using Broadcast = std::shared_ptr<epic::detail::SharedCall<Add>>;
  static Broadcast make_broadcast(std::int64_t amount) {
    return std::make_shared<epic::detail::SharedCall<Add>>(&Counter::add, std::tuple<std::int64_t>(amount));
  }
  RecordRef begin_one(const Broadcast& broadcast, std::string_view key) {
    RecordRef record(new epic::detail::SharedRecord<Add>(*Counter::epic_info().find_method("add"), broadcast));
    record->is_broadcast = true;
    record->callee = Ref<Counter>(key).epic_name();
    REQUIRE(calls.open(*record));
    calls.route(record);
    return record;
  }
  BroadcastMessage broadcast_of(const std::string& target, std::vector<std::string> others) {
    BroadcastMessage message{.first = call_of(target, "add", 5), .steps = {}, .keys = std::move(others)};
    for (std::uint32_t step = 1; step <= message.keys.size(); ++step) message.steps.push_back(2 * step);
    return message;
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

// ---- broadcasts ----

TEST_CASE("frames: the calls of a broadcast to one node leave as one message, and their ends come back", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto broadcast = FramesFixture::make_broadcast(5);
  const RecordRef a = f.begin_one(broadcast, "a");
  const RecordRef b = f.begin_one(broadcast, "b");
  const RecordRef c = f.begin_one(broadcast, "c");
  CHECK(f.world.sent.empty());
  f.sends.flush();
  REQUIRE(f.world.sent.size() == 1);
  const auto& sent = f.last_sent<BroadcastMessage>();
  CHECK(sent.first.target == "Counter/a");
  CHECK(sent.first.arguments == f.call_of("Counter/a", "add", 5).arguments);
  CHECK(sent.keys == std::vector<std::string>{"b", "c"});
  CHECK(sent.steps == std::vector<std::uint32_t>{1, 2});
  CHECK(find_fault(sent).empty());

  f.frames.on_message(kOther, EndedMessage{{a->sequence, c->sequence, 4711}});
  f.frames.on_message(kOther, ReplyMessage{b->sequence, ErrorPart{ErrorCode::unavailable, {}, "not now"}});
  CHECK((a->state == Record::State::ended && !a->failure));
  CHECK((c->state == Record::State::ended && !c->failure));
  CHECK(b->failure);
  CHECK(f.calls.size() == 0);
}

TEST_CASE("frames: only calls of the same broadcast share a message, and not too many", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto one = FramesFixture::make_broadcast(1);
  const auto two = FramesFixture::make_broadcast(1);
  f.begin_one(one, "a");
  f.begin_one(two, "b");
  f.begin_one(one, "c");
  f.scheduler.now_ns += 1;  // another deadline
  f.begin_one(one, "d");
  f.sends.flush();
  CHECK(f.world.sent.size() == 4);
  f.world.sent.clear();
  for (std::size_t i = 0; i <= limits::kBroadcastCallsMax; ++i) f.begin_one(one, "a");
  REQUIRE(f.world.sent.size() == 1);
  CHECK(f.last_sent<BroadcastMessage>().keys.size() + 1 == limits::kBroadcastCallsMax);
  CHECK(find_fault(f.last_sent<BroadcastMessage>()).empty());
  f.sends.flush();
  CHECK(f.last_sent<BroadcastMessage>().keys.empty());
}

TEST_CASE("frames: what is sent to a node after a broadcast leaves behind it", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto broadcast = FramesFixture::make_broadcast(5);
  f.begin_one(broadcast, "a");
  const auto later = f.begin(Ref<Counter>("a")->get());
  const RecordRef b = f.begin_one(broadcast, "b");
  f.cancellations.cancel(*b);
  f.sends.flush();
  REQUIRE(f.world.sent.size() == 4);
  CHECK(std::holds_alternative<BroadcastMessage>(f.world.sent[0].second));
  CHECK(std::get<CallMessage>(f.world.sent[1].second).id.sequence == later->sequence);
  CHECK(std::get<BroadcastMessage>(f.world.sent[2].second).first.target == "Counter/b");
  CHECK(std::get<CancelMessage>(f.world.sent[3].second).id.sequence == b->sequence);
}

TEST_CASE("frames: to a node that does not take broadcasts their calls leave one by one", "[kernel]") {
  FramesFixture f;
  f.introduce(kOther, /*takes_broadcasts=*/false);
  f.give_shard_to(kOther);
  const auto broadcast = FramesFixture::make_broadcast(5);
  const RecordRef a = f.begin_one(broadcast, "a");
  f.begin_one(broadcast, "b");
  CHECK(f.world.sent.size() == 2);
  CHECK(f.last_sent<CallMessage>().target == "Counter/b");
  f.frames.on_message(kOther, ReplyMessage{a->sequence, ResultPart{}});  // whatever it holds is not read
  CHECK((a->state == Record::State::ended && !a->failure));
}

TEST_CASE("frames: a refused call of a broadcast goes to the next owner, and one at a lost node fails", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  const auto broadcast = FramesFixture::make_broadcast(5);
  const RecordRef a = f.begin_one(broadcast, "a");
  const RecordRef b = f.begin_one(broadcast, "b");
  f.sends.flush();
  f.frames.on_message(kOther, ReplyMessage{a->sequence, RefusedPart{MapVersion{3}}});
  CHECK(a->state == Record::State::queued);
  f.frames.on_message(kOther, EndedMessage{{a->sequence, b->sequence}});
  CHECK(a->state == Record::State::queued);  // it was refused there
  CHECK(b->state == Record::State::ended);
  f.give_shard_to(kOther);
  f.sends.flush();
  CHECK(f.last_sent<BroadcastMessage>().first.id.sequence == a->sequence);

  f.world.sent.clear();
  const RecordRef c = f.begin_one(broadcast, "c");
  f.frames.on_peer_lost(kOther);
  f.sends.flush();
  CHECK(f.world.sent.empty());
  CHECK(a->failure);
  CHECK(c->failure);
}

TEST_CASE("frames: calls of an arrived broadcast begin like any, and their ends leave together, once durable",
          "[kernel]") {
  FramesFixture f;
  f.give_shard_to(FramesFixture::kSelf);
  f.frames.on_message(kOther, f.broadcast_of("Counter/a", {"b", "", "c"}));
  CHECK(std::get<ErrorPart>(f.last_sent<ReplyMessage>().outcome).code == ErrorCode::bad_arguments);
  CHECK(f.last_sent<ReplyMessage>().sequence == 7 + 4);
  REQUIRE(f.world.loads.size() == 3);
  f.world.sent.clear();
  for (const ActivationId id : std::exchange(f.world.loads, {})) f.activations.on_loaded(id, LoadedState{});
  f.run();
  f.saving.seal();
  f.sends.flush();
  CHECK(f.world.sent.empty());
  f.saving.on_committed(f.world.batches.front().number);
  f.sends.flush();
  REQUIRE(f.world.sent.size() == 1);
  CHECK(f.last_sent<EndedMessage>().sequences == std::vector<std::uint64_t>{7, 9, 13});
  CHECK(f.sends.is_empty());
}

TEST_CASE("frames: each call of an arrived broadcast reads the arguments when it starts", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(FramesFixture::kSelf);
  f.frames.on_message(kOther, f.broadcast_of("Counter/a", {"b"}));
  std::vector<RecordRef> arrived;
  f.calls.for_each([&](Record& record) { arrived.push_back(RecordRef::share(record)); });
  REQUIRE(arrived.size() == 2);
  const auto amount_of = [](const RecordRef& record) {
    return std::get<0>(*static_cast<std::tuple<std::int64_t>*>(record->arguments()));
  };
  for (const RecordRef& record : arrived) CHECK(amount_of(record) == 0);
  CHECK((arrived[0]->site->arguments && arrived[0]->site->arguments == arrived[1]->site->arguments));
  for (const ActivationId id : std::exchange(f.world.loads, {})) f.activations.on_loaded(id, LoadedState{});
  f.run();
  for (const RecordRef& record : arrived) {
    CHECK(amount_of(record) == 5);
    CHECK_FALSE(record->site->arguments);
    CHECK_FALSE(record->failure);
  }
}

TEST_CASE("frames: of an arrived broadcast whose arguments cannot be read each call fails", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(FramesFixture::kSelf);
  BroadcastMessage broadcast = f.broadcast_of("Counter/a", {"b"});
  broadcast.first.arguments.pop_back();
  f.frames.on_message(kOther, broadcast);
  for (const ActivationId id : std::exchange(f.world.loads, {})) f.activations.on_loaded(id, LoadedState{});
  f.run();
  REQUIRE(f.world.sent.size() == 2);
  for (const auto& [to, message] : f.world.sent) {
    const auto& error = std::get<ErrorPart>(std::get<ReplyMessage>(message).outcome);
    CHECK(error.code == ErrorCode::bad_arguments);
    CHECK_THAT(error.message, Catch::StartsWith("Counter/"));
  }
  CHECK(f.calls.size() == 0);
}

TEST_CASE("frames: of an arrived broadcast each call to a shard that is not ours is refused", "[kernel]") {
  FramesFixture f;
  f.give_shard_to(kOther);
  f.frames.on_message(kOther, f.broadcast_of("Counter/a", {"b"}));
  REQUIRE(f.world.sent.size() == 2);
  for (const auto& [to, message] : f.world.sent)
    CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(message).outcome));
  CHECK(f.world.loads.empty());
}
