#include "client/contact.hpp"

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;
using epic::client::Contact;
using testing_entities::Counter;

namespace {

constexpr std::uint32_t kShardCount = 8;
constexpr PeerAddress kFirst{NodeId{1}, 11};
constexpr PeerAddress kSecond{NodeId{2}, 22};

/// Keeps what it is asked for; the test plays the nodes.
struct FakeTransport final : transport::Transport {
  void introduce(HelloMessage) override {}
  std::expected<std::string, std::string> listen(const std::string& address) override { return address; }
  [[nodiscard]] std::string address_of(const ShardMap::Member& member) const override { return member.address; }
  void set_map(const ShardMap& map) override { maps.push_back(map.version); }
  void meet(const std::string& address) override { met.push_back(address); }
  void send(const PeerAddress& to, Message) override { sent.push_back(to); }
  [[nodiscard]] bool has_room(const PeerAddress&) const override { return true; }
  void flush() override {}
  [[nodiscard]] std::size_t unsent_bytes() const override { return 0; }
  void on_time(std::int64_t) override {}
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const override { return std::nullopt; }
  [[nodiscard]] transport::RefusalCounts refusals() const override { return {}; }
  void hide() override {}
  void part() override {}
  [[nodiscard]] bool is_alone() const override { return true; }
  void close() override {}

  std::vector<MapVersion> maps;
  std::vector<std::string> met;
  std::vector<PeerAddress> sent;
};

struct ContactFixture {
  ContactFixture() { contact.start(transport); }

  std::int64_t now_ns = 1'000'000'000;
  std::vector<std::string> addresses{"1.sock", "2.sock"};
  int changes = 0;
  codec::CapnpCodec codec;
  FakeTransport transport;
  Contact contact{7,
                  10s,
                  codec,
                  "/projects/bank",
                  {.now_ns = [this] { return now_ns; },
                   .list_addresses = [this] { return addresses; },
                   .read_last_words = [](const PeerAddress&) { return std::string("Bomb/x.poke"); },
                   .on_change = [this] { ++changes; }}};
  transport::TransportEvents events = contact.events();

  std::int64_t tick(std::chrono::nanoseconds after = 0ns) {
    now_ns += after.count();
    contact.begin_tick();
    return contact.end_tick();
  }
  /// Fails to connect to all that are being tried.
  void fail_all() {
    for (const std::string& address : std::exchange(transport.met, {})) events.on_unmet(address, "connection refused");
  }
  void greet(const PeerAddress& node, const std::string& fabric = "f/1") {
    events.on_hello(node, {.from = node, .fabric = fabric, .shard_count = kShardCount, .methods = {}});
  }
  void publish(const PeerAddress& from, std::uint64_t version) {
    events.on_map(from, {MapVersion{version},
                         std::vector<NodeId>(kShardCount, kFirst.node),
                         {{kFirst.node, Incarnation{kFirst.life}, "1.sock"}},
                         {},
                         std::vector<MapVersion>(kShardCount, MapVersion{1})});
  }
  /// How a call ends.
  std::shared_ptr<std::string> call() {
    auto outcome = std::make_shared<std::string>("open");
    contact.submit(RecordRef(Ref<Counter>("a")->add(1).epic_take_record().detach()), [outcome](RecordRef ended) {
      try {
        if (ended->failure) std::rethrow_exception(ended->failure);
      } catch (const Error& error) {
        *outcome = error.what();
      }
    });
    return outcome;
  }
};

}  // namespace

TEST_CASE("contact: tries each address that is listed, and again a while after all have failed", "[client]") {
  ContactFixture f;
  CHECK(f.tick() == f.now_ns + 50'000'000);
  CHECK(f.transport.met == f.addresses);
  f.tick(60ms);
  CHECK(f.transport.met.size() == 2);  // they are still being tried
  f.fail_all();
  CHECK(f.contact.absence() == "no fabric answers in /projects/bank (connection refused): start it with 'epic run'");
  CHECK(f.changes == 1);
  f.tick(60ms);
  CHECK(f.transport.met == f.addresses);
  CHECK(f.contact.absence().empty());
}

TEST_CASE("contact: waiting is hopeless if there is no address", "[client]") {
  ContactFixture f;
  f.addresses.clear();
  f.tick();
  CHECK(f.contact.absence() == "no fabric answers in /projects/bank: start it with 'epic run'");
  CHECK_FALSE(f.contact.is_ready());
}

TEST_CASE("contact: while a node is connected none is sought, and when the last is lost one is sought at once",
          "[client]") {
  ContactFixture f;
  f.tick();
  f.transport.met.clear();
  f.greet(kFirst);
  f.greet(kSecond);
  f.events.on_lost(kFirst);
  CHECK(f.tick(1s) > f.now_ns + 1'000'000'000);
  CHECK(f.transport.met.empty());
  f.events.on_lost(kSecond);
  f.tick();
  CHECK(f.transport.met == f.addresses);
}

TEST_CASE("contact: where the map's node does not answer, the process that does is met, once, unless it is connected",
          "[client]") {
  ContactFixture f;
  f.tick();
  f.fail_all();
  f.greet(kFirst);
  f.publish(kFirst, 1);
  f.events.on_unmet("2.sock", "it refused: incarnation 22 of node-2 was expected there");
  f.tick();
  CHECK(f.transport.met == std::vector<std::string>{"2.sock"});
  f.fail_all();
  f.tick();
  CHECK(f.transport.met.empty());
  f.events.on_unmet("1.sock", "it ended");
  f.tick();
  CHECK(f.transport.met.empty());
}

TEST_CASE("contact: calls wait for a node for a while, and then only for one attempt each", "[client]") {
  ContactFixture f;
  const auto waiting = f.call();
  f.tick();
  f.fail_all();
  f.tick(2s);
  f.fail_all();
  CHECK(*waiting == "open");
  f.tick(2s);
  f.fail_all();
  CHECK_THAT(*waiting, Catch::Contains("no fabric answers in /projects/bank"));

  f.tick(60ms);
  CHECK(f.transport.met.empty());  // nobody waits
  const auto refused = f.call();
  f.tick();
  CHECK(f.transport.met == f.addresses);
  CHECK(*refused == "open");
  f.fail_all();
  CHECK_THAT(*refused, Catch::Contains("no fabric answers in /projects/bank"));

  const auto unanswered = f.call();
  f.tick(60ms);
  f.tick(400ms);
  CHECK(*unanswered == "open");
  f.tick(100ms);
  CHECK_THAT(*unanswered, Catch::Contains("no fabric answers in /projects/bank"));

  const auto later = f.call();  // the node is back
  f.greet(kFirst);
  f.publish(kFirst, 1);
  CHECK(f.transport.sent == std::vector{kFirst});
}

TEST_CASE("contact: a map counts if it is newer, and from a connected node", "[client]") {
  ContactFixture f;
  f.publish(kFirst, 3);
  CHECK_FALSE(f.contact.is_ready());
  f.greet(kFirst);
  f.publish(kFirst, 3);
  CHECK(f.contact.is_ready());
  CHECK(f.changes == 1);
  f.publish(kFirst, 2);
  f.publish(kSecond, 4);
  CHECK(f.transport.maps == std::vector{MapVersion{3}});
}

TEST_CASE("contact: nodes of a former fabric no longer count", "[client]") {
  ContactFixture f;
  f.greet(kFirst);
  f.publish(kFirst, 3);
  f.greet(kSecond, "f/2");
  f.publish(kFirst, 4);
  CHECK_FALSE(f.contact.is_ready());
  f.publish(kSecond, 1);
  CHECK(f.contact.is_ready());
}

TEST_CASE("contact: calls under way at a lost node name what killed it", "[client]") {
  ContactFixture f;
  f.greet(kFirst);
  f.publish(kFirst, 1);
  const auto call = f.call();
  f.events.on_lost(kFirst);
  CHECK_THAT(*call, Catch::Contains("node-1 was lost") && Catch::Contains("Bomb/x.poke"));
}
