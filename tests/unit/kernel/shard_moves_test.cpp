// One kernel among others that a test plays: what happens to calls while shards move.

#include <catch2/catch.hpp>
#include <deque>

#include "codec/capnp_codec.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "reflect/schema_of.hpp"
#include "test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace epic::testing_entities;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kShards = 4;
constexpr PeerAddress kSelf{NodeId{2}, 22};
constexpr PeerAddress kNode1{NodeId{1}, 11};
constexpr PeerAddress kNode3{NodeId{3}, 33};

/// A store that does everything at once, and a network that only remembers.
struct Fixture : Syscalls {
  codec::CapnpCodec codec;
  Kernel kernel{{.self = kSelf, .fabric = "f", .shard_count = kShards}, codec, *this};
  std::deque<std::function<void()>> answers;
  std::vector<std::pair<PeerAddress, Message>> sent;
  std::uint64_t epoch = 0;

  Fixture() {
    REQUIRE(kernel.add_module(module()));
    kernel.on_time(1, 1);
    for (const PeerAddress& peer : {kNode1, kNode3}) {
      HelloMessage hello = kernel.hello();
      hello.from = peer;
      kernel.on_hello(peer, hello);
    }
  }

  void send(const PeerAddress& to, Message message) override { sent.emplace_back(to, std::move(message)); }
  void load(ActivationId activation, std::string_view, std::string_view) override {
    answers.emplace_back([this, activation] { kernel.on_loaded(activation, std::nullopt); });
  }
  void commit(Batch batch) override {
    answers.emplace_back([this, number = batch.number] { kernel.on_committed(number); });
  }
  void take(std::vector<ShardId> shards) override {
    answers.emplace_back([this, shards] {
      std::vector<ShardEpoch> epochs;
      for (const ShardId shard : shards) epochs.push_back({shard, Epoch{++epoch}});
      kernel.on_taken(epochs);
    });
  }
  void released(ShardId) override {}
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
  void publish(std::uint64_t version, NodeId owner) {
    kernel.on_shard_map({MapVersion{version},
                         std::vector<NodeId>(kShards, owner),
                         {{kNode1.node, Incarnation{kNode1.life}, ""},
                          {kSelf.node, Incarnation{kSelf.life}, ""},
                          {kNode3.node, Incarnation{kNode3.life}, ""}}});
    run();
  }
  /// node-1 calls Counter/a.add(amount), by a map.
  void arrive(std::uint64_t sequence, std::int64_t amount, std::uint64_t map_version) {
    const auto record = Ref<Counter>("a")->add(amount).epic_take_record();
    const HelloMessage hello = kernel.hello();
    const auto method = std::ranges::find_if(
        hello.methods, [](const MethodEntry& one) { return one.type == "Counter" && one.method == "add"; });
    CallMessage call{.id = {kNode1.node, kNode1.life, sequence},
                     .target = "Counter/a",
                     .method = static_cast<std::uint32_t>(method - hello.methods.begin()),
                     .map_version = MapVersion{map_version},
                     .patience_ns = std::chrono::nanoseconds(1s).count(),
                     .chain = {},
                     .arguments = {}};
    codec.encode(record->method->arguments(), record->arguments(), call.arguments);
    kernel.on_message(kNode1, std::move(call));
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
  Fixture f;
  f.publish(1, kNode1.node);
  f.arrive(1, 1, 3);
  f.publish(2, NodeId{0});
  CHECK(f.sent.empty());  // neither refused nor answered
  f.arrive(2, 10, 3);
  f.publish(3, kSelf.node);
  REQUIRE(f.sent.size() == 2);
  CHECK(f.result_of(f.sent[0].second) == 1);  // in the order in which they were made
  CHECK(f.result_of(f.sent[1].second) == 11);
}

TEST_CASE("shard moves: a call that came by an older map is refused, also by a node that is about to end", "[kernel]") {
  Fixture f;
  f.publish(5, kNode3.node);
  f.arrive(1, 1, 4);
  f.kernel.on_drain();
  f.arrive(2, 1, 4);
  REQUIRE(f.sent.size() == 2);
  for (const auto& [to, message] : f.sent)
    CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(message).outcome));
}

TEST_CASE("shard moves: what a node that ends has not answered goes to the next owner, in order", "[kernel]") {
  Fixture f;
  f.publish(1, kNode1.node);
  std::vector<std::string> outcomes;
  for (int i = 0; i < 3; ++i)
    f.kernel.submit(RecordRef(Ref<Counter>("a")->add(i).epic_take_record().detach()), 10s,
                    [&](Record& record) { outcomes.push_back(record.failure ? "failed" : "answered"); });
  f.run();
  REQUIRE(f.sent.size() == 3);
  f.kernel.on_message(kNode1, ReplyMessage{0, RefusedPart{}});
  f.kernel.on_peer_lost(kNode1);
  f.run();
  CHECK(outcomes.empty());
  f.publish(2, kNode3.node);
  REQUIRE(f.sent.size() == 6);
  for (std::size_t i = 3; i < 6; ++i) {
    CHECK(f.sent[i].first == kNode3);
    CHECK(std::get<CallMessage>(f.sent[i].second).id == std::get<CallMessage>(f.sent[i - 3].second).id);
  }
}

TEST_CASE("shard moves: when this node ends as well, such calls end at once", "[kernel]") {
  Fixture f;
  f.publish(1, kNode1.node);
  bool is_unavailable = false;
  f.kernel.submit(RecordRef(Ref<Counter>("a")->add(1).epic_take_record().detach()), 10s, [&](Record& record) {
    is_unavailable = record.failure && describe_failure(record.failure).code == ErrorCode::unavailable;
  });
  f.run();
  f.kernel.on_drain();
  f.kernel.on_message(kNode1, ReplyMessage{0, RefusedPart{}});
  f.run();
  CHECK(is_unavailable);
  CHECK(f.kernel.is_drained());
}
