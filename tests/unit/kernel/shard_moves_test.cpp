// One kernel among others that the test plays: when calls leave, and what happens to them while shards move.

#include <catch2/catch.hpp>
#include <deque>
#include <optional>

#include "codec/capnp_codec.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/placement.hpp"
#include "moving_entities.hpp"
#include "reflect/schema_of.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace epic::testing_entities;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kShards = 4;
constexpr PeerAddress kMovesSelf{NodeId{2}, 22};
constexpr PeerAddress kMovesNode1{NodeId{1}, 11};
constexpr PeerAddress kNode3{NodeId{3}, 33};

/// A store that does everything at once, and a network that only records.
struct ShardMovesFixture : Syscalls {
  codec::CapnpCodec codec;
  Kernel kernel{{.self = kMovesSelf, .fabric = "f", .placement = ungrouped(kShards)}, codec, *this};
  std::deque<std::function<void()>> answers;
  std::vector<std::pair<PeerAddress, Message>> sent;
  std::vector<ShardId> given_back;
  std::vector<std::shared_ptr<epic::detail::BlockingWork>> blocking;  // never runs; shared as with a pool of threads
  std::uint64_t epoch = 0;
  bool has_slow_disk = false;       // no commit completes
  std::optional<PeerAddress> full;  // has no room
  std::vector<NodeId> owners_before;
  std::vector<MapVersion> owned_since;

  ShardMovesFixture() {
    REQUIRE(kernel.add_module(pings()));
    kernel.on_time(1, 1);
    for (const PeerAddress& peer : {kMovesNode1, kNode3}) {
      HelloMessage hello = kernel.hello();
      hello.from = peer;
      kernel.on_hello(peer, hello);
    }
  }

  void send(const PeerAddress& to, Message message) override { sent.emplace_back(to, std::move(message)); }
  [[nodiscard]] bool has_room(const PeerAddress& to) const override { return to != full; }
  void load(ActivationId activation, std::string_view, std::string_view) override {
    answers.emplace_back([this, activation] { kernel.on_loaded(activation, LoadedState{}); });
  }
  void load_mail(const ShardEpoch&, std::uint64_t) override {}
  void load_answer(const ShardEpoch&, const AnswerId&) override {}
  void load_oldest_answer(const ShardEpoch&) override {}
  void load_reminders(const ShardEpoch&, const ReminderPlace&, std::size_t) override {}
  void commit(Batch batch) override {
    if (has_slow_disk) return;
    answers.emplace_back([this, number = batch.number] { kernel.on_committed(number); });
  }
  void take(std::vector<ShardId> shards) override {
    answers.emplace_back([this, shards] {
      std::vector<ShardEpoch> epochs;
      for (const ShardId shard : shards) epochs.push_back({shard, Epoch{++epoch}});
      kernel.on_taken(epochs);
    });
  }
  void released(ShardId shard) override { given_back.push_back(shard); }
  void start_blocking(std::shared_ptr<epic::detail::BlockingWork> work) override {
    blocking.push_back(std::move(work));
  }
  void log(LogLevel, std::string_view, std::string_view) override {}

  void run() {
    do {
      while (!answers.empty()) {
        const auto answer = std::move(answers.front());
        answers.pop_front();
        answer();
      }
      while (kernel.run(16)) {
      }
      kernel.seal();
    } while (!answers.empty() || kernel.run(0));
  }
  void publish(std::uint64_t version, NodeId owner) { publish(version, std::vector<NodeId>(kShards, owner)); }
  void publish(std::uint64_t version, std::vector<NodeId> owners, std::vector<ShardId> moving = {}) {
    owned_since.resize(kShards);
    owners_before.resize(kShards);
    for (std::size_t i = 0; i < kShards; ++i)
      if (std::exchange(owners_before[i], owners[i]) != owners[i]) owned_since[i] = MapVersion{version};
    kernel.on_shard_map({MapVersion{version},
                         std::move(owners),
                         {{kMovesNode1.node, Incarnation{kMovesNode1.life}, ""},
                          {kMovesSelf.node, Incarnation{kMovesSelf.life}, ""},
                          {kNode3.node, Incarnation{kNode3.life}, ""}},
                         std::move(moving),
                         owned_since});
    run();
  }
  /// node-1 calls Counter/a.add(amount), under the given map.
  void arrive(std::uint64_t sequence, std::int64_t amount, std::uint64_t map_version) {
    arrive(sequence, Ref<Counter>("a")->add(amount).epic_take_record(), map_version, {});
  }
  template <class Record>
  void arrive(std::uint64_t sequence, const Record& record, std::uint64_t map_version, std::vector<ChainLink> chain,
              std::optional<CallExtensions> extensions = {}) {
    const HelloMessage hello = kernel.hello();
    const auto method = std::ranges::find_if(hello.methods, [&](const MethodEntry& one) {
      return one.type == record->callee->type() && one.method == record->method->name;
    });
    CallMessage call{.id = {kMovesNode1.node, kMovesNode1.life, sequence},
                     .target = std::string(record->callee->text),
                     .method = static_cast<std::uint32_t>(method - hello.methods.begin()),
                     .map_version = MapVersion{map_version},
                     .patience_ns = std::chrono::nanoseconds(1s).count(),
                     .chain = std::move(chain),
                     .arguments = {},
                     .extensions = std::move(extensions)};
    codec.encode(record->method->arguments(), record->arguments(), call.arguments);
    kernel.on_message(kMovesNode1, std::move(call));
    run();
  }
  std::int64_t result_of(const Message& message) {
    const auto& part = std::get<ResultPart>(std::get<ReplyMessage>(message).outcome);
    std::int64_t result = 0;
    const auto& type = reflect::type_of<std::int64_t>();
    REQUIRE(codec.decode(part.bytes, reflect::schema_of(type), type, &result));
    return result;
  }
};

}  // namespace

TEST_CASE("shard moves: a call that came by a newer map waits for that map, whatever older ones say", "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesNode1.node);
  f.arrive(1, 1, 3);
  f.publish(2, NodeId{0});
  CHECK(f.sent.empty());  // neither refused nor answered
  f.arrive(2, 10, 3);
  f.publish(3, kMovesSelf.node);
  REQUIRE(f.sent.size() == 2);
  CHECK(f.result_of(f.sent[0].second) == 1);  // in the order in which they were made
  CHECK(f.result_of(f.sent[1].second) == 11);
}

TEST_CASE("shard moves: a call that came by a newer map waits for that map, and not for room to the former owner",
          "[kernel]") {
  ShardMovesFixture f;
  f.full = kNode3;
  f.publish(1, kNode3.node);
  f.arrive(1, 1, 2);
  const std::vector<CallView> views = f.kernel.calls("Counter/a");
  REQUIRE(views.size() == 1);
  CHECK(views[0].state == "waiting for its shard to find an owner");
  f.kernel.on_time(2'000'000'000, 1);
  REQUIRE(f.sent.size() == 1);
  const auto& error = std::get<ErrorPart>(std::get<ReplyMessage>(f.sent[0].second).outcome);
  CHECK(error.code == ErrorCode::timeout);
  CHECK_THAT(error.message, Catch::Contains("it has not started"));
}

TEST_CASE("shard moves: a call that came by an older map is refused, also by a node that is about to end", "[kernel]") {
  ShardMovesFixture f;
  f.publish(5, kNode3.node);
  f.arrive(1, 1, 4);
  f.kernel.on_drain();
  f.arrive(2, 1, 4);
  REQUIRE(f.sent.size() == 2);
  for (const auto& [to, message] : f.sent)
    CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(message).outcome));
}

TEST_CASE("shard moves: a call by the map of an earlier time as the owner is refused, or younger ones overtake it",
          "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesSelf.node);
  f.publish(2, kNode3.node);
  f.publish(3, kMovesSelf.node);
  f.arrive(1, 1, 1);
  f.arrive(2, 1, 3);
  REQUIRE(f.sent.size() == 2);
  CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(f.sent[0].second).outcome));
  CHECK(f.result_of(f.sent[1].second) == 1);
}

TEST_CASE("shard moves: to an owner that has had the shard before nothing is sent ahead of what was sent to it then",
          "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesNode1.node);
  const auto call = [&] {
    f.kernel.submit(RecordRef(Ref<Counter>("a")->add(1).epic_take_record().detach()), 10s, [](Record&) {});
    f.run();
  };
  call();
  f.publish(2, kNode3.node);
  f.publish(3, kMovesNode1.node);
  call();
  REQUIRE(f.sent.size() == 1);
  const CallMessage first = std::get<CallMessage>(f.sent[0].second);
  f.kernel.on_message(kMovesNode1, ReplyMessage{first.id.sequence, RefusedPart{MapVersion{3}}});
  f.publish(4, kMovesNode1.node);
  REQUIRE(f.sent.size() == 3);
  CHECK(std::get<CallMessage>(f.sent[1].second).id == first.id);
  call();
  CHECK(f.sent.size() == 4);
}

TEST_CASE("shard moves: a call that waits for its caller's commit keeps its place when the shard comes here",
          "[kernel]") {
  ShardMovesFixture f;
  f.has_slow_disk = true;
  Bell::tolls.clear();
  const ShardId coming = ungrouped(kShards).shard_of("Bell", "b");
  REQUIRE(coming != ungrouped(kShards).shard_of("Ping", "someone"));
  std::vector<NodeId> owners(kShards, kMovesSelf.node);
  owners[coming.value] = kMovesNode1.node;
  f.publish(1, owners);
  f.arrive(1, Ref<Ping>("someone")->toll_twice(Ref<Bell>("b")).epic_take_record(), 1, {});
  CHECK(f.sent.empty());
  f.publish(2, kMovesSelf.node);
  f.kernel.on_time(40'000'000, 1);
  f.run();
  CHECK(Bell::tolls == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("shard moves: what a node that ends has not answered goes to the next owner, in order", "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesNode1.node);
  std::vector<std::string> outcomes;
  for (int i = 0; i < 3; ++i)
    f.kernel.submit(RecordRef(Ref<Counter>("a")->add(i).epic_take_record().detach()), 10s,
                    [&](Record& record) { outcomes.push_back(record.failure ? "failed" : "answered"); });
  f.run();
  REQUIRE(f.sent.size() == 3);
  f.kernel.on_message(kMovesNode1, ReplyMessage{0, RefusedPart{}});
  f.kernel.on_peer_lost(kMovesNode1);
  f.run();
  CHECK(outcomes.empty());
  f.publish(2, kNode3.node);
  REQUIRE(f.sent.size() == 6);
  for (std::size_t i = 3; i < 6; ++i) {
    CHECK(f.sent[i].first == kNode3);
    CHECK(std::get<CallMessage>(f.sent[i].second).id == std::get<CallMessage>(f.sent[i - 3].second).id);
  }
}

TEST_CASE("shard moves: to a node that has taken its leave nothing is sent, though the map still names it",
          "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesNode1.node);
  f.kernel.submit(RecordRef(Ref<Counter>("a")->add(1).epic_take_record().detach()), 10s, [](Record&) {});
  f.run();
  f.publish(2, kMovesNode1.node);
  f.kernel.on_message(kMovesNode1, ReplyMessage{0, RefusedPart{}});
  f.run();
  CHECK(f.sent.size() == 1);
}

TEST_CASE("shard moves: a node that ends answers calls that are waited for, and activates nothing for others",
          "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesSelf.node);
  f.arrive(1, Ref<Ping>("a")->touch().epic_take_record(), 1, {});
  f.kernel.on_drain();
  f.arrive(2, Ref<Ping>("a")->get().epic_take_record(), 1, {});
  const ChainLink waits{{kMovesNode1.node, kMovesNode1.life, 90}, "Caller/c", "sum"};
  const ChainLink hook{{kMovesNode1.node, kMovesNode1.life, 91}, "Caller/d", ""};
  f.arrive(3, Ref<Bell>("b")->ring().epic_take_record(), 1, {waits});
  f.arrive(4, Ref<Ping>("b")->get().epic_take_record(), 1, {});
  f.arrive(5, Ref<Bell>("c")->ring().epic_take_record(), 1, {hook});
  REQUIRE(f.sent.size() == 5);
  CHECK(f.result_of(f.sent[1].second) == 1);
  CHECK(f.result_of(f.sent[2].second) == 3);
  for (std::size_t i = 3; i < 5; ++i)
    CHECK(std::get<ErrorPart>(std::get<ReplyMessage>(f.sent[i].second).outcome).code == ErrorCode::unavailable);
  CHECK(f.kernel.is_drained());
}

TEST_CASE("shard moves: when this node ends as well, such calls end at once", "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesNode1.node);
  bool is_unavailable = false;
  f.kernel.submit(RecordRef(Ref<Counter>("a")->add(1).epic_take_record().detach()), 10s, [&](Record& record) {
    is_unavailable = record.failure && describe_failure(record.failure).code == ErrorCode::unavailable;
  });
  f.run();
  f.kernel.on_drain();
  f.kernel.on_message(kMovesNode1, ReplyMessage{0, RefusedPart{}});
  f.run();
  CHECK(is_unavailable);
  CHECK(f.kernel.is_drained());
}

TEST_CASE("shard moves: a node that has given a moving shard back does not take it again", "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesSelf.node);
  std::vector<ShardId> all;
  for (std::uint32_t shard = 0; shard < kShards; ++shard) all.push_back(ShardId{shard});
  f.kernel.on_release(all);
  f.publish(2, std::vector<NodeId>(kShards, kMovesSelf.node), all);
  f.arrive(1, 1, 2);
  REQUIRE(f.sent.size() == 1);
  CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(f.sent[0].second).outcome));
  f.publish(3, kMovesSelf.node);  // granted to it again
  f.arrive(2, 1, 3);
  CHECK(f.result_of(f.sent.at(1).second) == 1);
}

TEST_CASE("shard moves: calls to a closed shard wait where it is, and are refused in order when it leaves",
          "[kernel]") {
  ShardMovesFixture f;
  f.publish(1, kMovesSelf.node);
  f.arrive(1, Ref<Ping>("a")->rest().epic_take_record(), 1, {});
  const ShardId shards[] = {ungrouped(kShards).shard_of("Ping", "a")};
  f.kernel.on_release(shards);
  f.arrive(2, Ref<Ping>("a")->touch().epic_take_record(), 1, {});
  f.arrive(3, Ref<Ping>("a")->touch().epic_take_record(), 1, {});
  CHECK(f.sent.empty());
  f.kernel.on_time(5'000'000, 1);  // rest() ends
  f.run();
  REQUIRE(f.sent.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(std::get<ReplyMessage>(f.sent[i].second).sequence == i + 1);
  for (std::size_t i = 1; i < 3; ++i)
    CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(f.sent[i].second).outcome));
}

TEST_CASE("kernel: a spawned call leaves when what its caller has changed before is durable", "[kernel]") {
  ShardMovesFixture f;
  std::vector<NodeId> owners(kShards, kMovesNode1.node);
  owners[ungrouped(kShards).shard_of("Ping", "someone").value] = kMovesSelf.node;
  REQUIRE(ungrouped(kShards).shard_of("Bell", "b") != ungrouped(kShards).shard_of("Ping", "someone"));
  f.publish(1, owners);
  f.has_slow_disk = true;
  f.arrive(1, Ref<Ping>("someone")->toll_twice(Ref<Bell>("b")).epic_take_record(), 1, {});
  CHECK(f.sent.empty());
  f.kernel.on_committed(CommitNumber{1});
  f.run();
  REQUIRE(f.sent.size() == 1);
  CHECK(std::get<CallMessage>(f.sent[0].second).target == "Bell/b");
}

TEST_CASE("kernel: what a method calls belongs to the trace of the call that started it", "[kernel]") {
  ShardMovesFixture f;
  std::vector<NodeId> owners(kShards, kMovesNode1.node);
  owners[ungrouped(kShards).shard_of("Ping", "someone").value] = kMovesSelf.node;
  REQUIRE(ungrouped(kShards).shard_of("Ping", "other") != ungrouped(kShards).shard_of("Ping", "someone"));
  f.publish(1, owners);
  const TraceContext trace{0x4bf92f3577b34da6, 0xa3ce929d0e0e4736, 0x00f067aa0ba902b7, 1};
  f.arrive(1, Ref<Ping>("someone")->volley(Ref<Ping>("other")).epic_take_record(), 1, {},
           CallExtensions{trace, "user 42", ""});
  REQUIRE_FALSE(f.sent.empty());
  CHECK(std::get<CallMessage>(f.sent[0].second).extensions == CallExtensions{trace, "", ""});
}

TEST_CASE("kernel: a call whose chain is too long fails alone and is not sent", "[kernel]") {
  ShardMovesFixture f;
  std::vector<NodeId> owners(kShards, kMovesNode1.node);
  owners[ungrouped(kShards).shard_of("Ping", "someone").value] = kMovesSelf.node;
  REQUIRE(ungrouped(kShards).shard_of("Ping", "other") != ungrouped(kShards).shard_of("Ping", "someone"));
  f.publish(1, owners);
  f.arrive(1, Ref<Ping>("someone")->volley(Ref<Ping>("other")).epic_take_record(), 1,
           std::vector<ChainLink>(limits::kChainLengthMax));
  for (const auto& [to, message] : f.sent) CHECK_FALSE(std::holds_alternative<CallMessage>(message));
}

namespace {

/// The first key in the given shard.
Ref<Ping> find_ping(const std::function<bool(ShardId)>& is_meant) {
  for (int i = 0;; ++i)
    if (is_meant(ungrouped(kShards).shard_of("Ping", std::to_string(i)))) return Ref<Ping>(i);
}

/// Bell/b's shard, and where everything is: all shards belong to this node except that of `away`, which is node-1's.
struct AroundTheBell {
  ShardId moving;
  Ref<Ping> beside;  // in the same shard
  Ref<Ping> caller;  // in another shard
  Ref<Ping> away;
  std::vector<NodeId> owners;
};

AroundTheBell around_the_bell() {
  const ShardId moving = ungrouped(kShards).shard_of("Bell", "b");
  const Ref<Ping> caller = find_ping([&](ShardId shard) { return shard != moving; });
  const ShardId callers = ungrouped(kShards).shard_of("Ping", caller.key());
  const Ref<Ping> away = find_ping([&](ShardId shard) { return shard != moving && shard != callers; });
  std::vector<NodeId> owners(kShards, kMovesSelf.node);
  owners[ungrouped(kShards).shard_of("Ping", away.key()).value] = kMovesNode1.node;
  return {.moving = moving,
          .beside = find_ping([&](ShardId shard) { return shard == moving; }),
          .caller = caller,
          .away = away,
          .owners = std::move(owners)};
}

}  // namespace

TEST_CASE("shard moves: a call that has waited here and waits for a commit now is not overtaken", "[kernel]") {
  ShardMovesFixture f;
  auto [moving, beside, caller, away, owners] = around_the_bell();
  f.publish(1, owners);
  f.arrive(1, caller->touch().epic_take_record(), 1, {});
  f.has_slow_disk = true;
  f.arrive(2, beside->volley(away).epic_take_record(), 1,
           {});  // its change is being written; and it keeps its shard here
  f.kernel.on_release(std::span(&moving, 1));
  f.arrive(3, caller->toll_once(Ref<Bell>("b"), 1).epic_take_record(), 1, {});
  owners[moving.value] = kNode3.node;
  f.publish(2, owners);
  f.arrive(4, caller->toll_once(Ref<Bell>("b"), 2).epic_take_record(), 2, {});
  const auto list_calls = [&] {
    std::vector<std::uint64_t> sequences;
    for (const auto& [to, message] : f.sent)
      if (const auto* call = std::get_if<CallMessage>(&message); call != nullptr && call->target == "Bell/b")
        sequences.push_back(call->id.sequence);
    return sequences;
  };
  CHECK(list_calls().empty());
  f.kernel.on_committed(CommitNumber{2});
  f.run();
  const auto calls = list_calls();
  REQUIRE(calls.size() == 2);
  CHECK(calls[0] < calls[1]);
}

TEST_CASE("shard moves: calls between two entities keep their order when a shard is opened again", "[kernel]") {
  ShardMovesFixture f;
  f.has_slow_disk = true;
  Bell::tolls.clear();
  auto [moving, beside, caller, away, owners] = around_the_bell();
  f.publish(1, owners);
  f.arrive(1, beside->volley(away).epic_take_record(), 1, {});  // waits for node-1, which does not answer
  f.kernel.on_release(std::span(&moving, 1));
  f.arrive(2, caller->toll_twice(Ref<Bell>("b")).epic_take_record(), 1, {});
  CHECK(Bell::tolls.empty());
  f.kernel.on_time(std::chrono::nanoseconds(limits::kReleaseWindow).count() + 2, 1);
  f.run();
  f.kernel.on_time(32'000'000, 1);
  f.run();
  CHECK(Bell::tolls == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("shard moves: a shard stays until no file is being changed for its entities any more", "[kernel]") {
  const bool is_write = GENERATE(true, false);
  CAPTURE(is_write);
  ShardMovesFixture f;
  f.publish(1, kMovesSelf.node);
  const Ref<Filer> filer("c");
  f.arrive(1, is_write ? filer->note("report").epic_take_record() : filer->look("report").epic_take_record(), 1, {});
  REQUIRE(f.blocking.size() == 1);
  const ShardId shard = ungrouped(kShards).shard_of("Filer", "c");
  f.kernel.on_release(std::span(&shard, 1));
  f.run();
  CHECK(f.given_back.empty());  // its task waits for the file
  for (std::int64_t ms = 10; ms <= 500; ms += 10) {
    f.kernel.on_time(ms * 1'000'000, 1);
    f.run();
  }
  CHECK(f.blocking.front()->is_abandoned());  // the task was cancelled
  CHECK(f.kernel.stats().entities == 0);
  CHECK(f.given_back.empty() == is_write);
  f.kernel.on_blocking_ended(std::exchange(f.blocking.front(), nullptr));
  CHECK(f.given_back == std::vector{shard});
}
