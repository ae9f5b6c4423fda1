#include "transport/peers.hpp"

#include <catch2/catch.hpp>
#include <numeric>

#include "support/frames.hpp"
#include "support/peer_process.hpp"

using namespace epic::kernel;
using epic::ErrorCode;
using epic::test::address_of;
using epic::test::call_of;
using epic::test::map_of;
using epic::test::PeerProcess;
using epic::test::PipeNet;
namespace transport = epic::transport;

namespace {

constexpr PeerAddress kOne{NodeId{1}, 11};
constexpr PeerAddress kTwo{NodeId{2}, 22};
constexpr PeerAddress kClient{NodeId{0}, 77};
constexpr transport::TransportLimits kSmall{
    .unsent_bytes_full = 64'000, .unsent_bytes_max = 256'000, .connections_max = 8};
constexpr std::int64_t kSecond = 1'000'000'000;

struct Net {
  PipeNet net;
  std::vector<PeerProcess*> processes;
  std::int64_t now_ns = 1;

  void listen(PeerProcess& process) {
    REQUIRE(process.peers.listen(address_of(process.address)).has_value());
    processes.push_back(&process);
  }
  void publish(const std::vector<PeerAddress>& members) {
    for (PeerProcess* process : processes) process->peers.set_map(map_of(1, members));
  }
  void tick() {
    for (PeerProcess* process : processes) {
      process->peers.on_time(now_ns);
      process->peers.flush();
    }
  }
  /// Until nothing more happens by itself; bytes come in pieces of at most `piece`.
  void settle(std::size_t piece = SIZE_MAX) {
    tick();
    for (auto steps = net.steps(); !steps.empty(); steps = net.steps()) {
      steps.front()(piece);
      tick();
    }
  }
  void pass(std::int64_t ns) {
    now_ns += ns;
    settle();
  }
};

/// The other side of a stream, played by the test byte by byte.
struct Stranger final : transport::StreamUser {
  explicit Stranger(transport::StreamPtr theirs) : stream(std::move(theirs)) { stream->start(*this); }
  template <class Message>
  void say(const Message& message) {
    std::vector<std::byte> frame;
    epic::codec::append_frame(message, frame);
    say_bytes(frame);
  }
  void say_bytes(std::span<const std::byte> bytes) { REQUIRE(stream->write(bytes) == bytes.size()); }

  void on_open() override {}
  std::span<std::byte> room() override { return buffer.prepare(4096); }
  void on_bytes(std::size_t count) override {
    buffer.commit(count);
    while (true) {
      auto frame = buffer.next();
      REQUIRE(frame.has_value());
      if (!*frame) return;
      auto message = reader.read(**frame);
      REQUIRE(message.has_value());
      heard.push_back(std::move(*message));
    }
  }
  void on_writable() override {}
  void on_end(std::string) override {
    has_ended = true;
    stream->close();
  }

  transport::StreamPtr stream;
  epic::protocol::FrameBuffer buffer{limits::kFrameBytesMax};
  epic::codec::PeerReader reader;
  std::vector<epic::protocol::PeerMessage> heard;
  bool has_ended = false;
};

HelloMessage hello_of(PeerAddress from, std::string fabric = "f/1") {
  return {.from = from, .fabric = std::move(fabric), .shard_count = 8, .methods = {}};
}

std::vector<std::uint64_t> calls_of(const PeerProcess& process) {
  std::vector<std::uint64_t> sequences;
  for (const auto& [from, message] : process.messages)
    if (const auto* call = std::get_if<CallMessage>(&message)) sequences.push_back(call->id.sequence);
  return sequences;
}

const ReplyMessage& reply_of(const PeerProcess& process, std::size_t index = 0) {
  REQUIRE(process.messages.size() > index);
  return std::get<ReplyMessage>(process.messages[index].second);
}

bool is_refusal(const ReplyMessage& reply) { return std::holds_alternative<RefusedPart>(reply.outcome); }

}  // namespace

TEST_CASE("peers: messages arrive in order after a hello, however the bytes are cut", "[transport]") {
  const std::size_t piece = GENERATE(std::size_t{1}, std::size_t{7}, SIZE_MAX);
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  for (std::uint64_t i = 1; i <= 5; ++i) one.peers.send(kTwo, call_of(kOne, i, 100 * i));
  n.settle(piece);
  CHECK(two.hellos == std::vector{kOne});
  CHECK(calls_of(two) == std::vector<std::uint64_t>{1, 2, 3, 4, 5});

  two.peers.send(kOne, ReplyMessage{1, ResultPart{}});
  n.settle(piece);
  CHECK(reply_of(one).sequence == 1);
}

TEST_CASE("peers: a slow stream loses nothing and reports what is unsent", "[transport]") {
  Net n;
  n.net.capacity = 64;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  for (std::uint64_t i = 1; i <= 3; ++i) one.peers.send(kTwo, call_of(kOne, i, 1000));
  CHECK(one.peers.unsent_bytes() > 3000);
  n.settle();
  CHECK(calls_of(two) == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(one.peers.unsent_bytes() == 0);
}

TEST_CASE("peers: nothing but a hello leaves before the expected peer has said its own", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne);
  n.listen(one);
  auto medium = n.net.make_medium();
  std::optional<Stranger> other;
  REQUIRE(medium->listen("node-2", [&](auto stream) { other.emplace(std::move(*stream)); }).has_value());
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  REQUIRE(other);
  REQUIRE(other->heard.size() == 1);
  CHECK(std::holds_alternative<HelloMessage>(other->heard[0]));

  SECTION("then what was held follows") {
    other->say(hello_of(kTwo));
    n.settle();
    REQUIRE(other->heard.size() == 2);
    CHECK(std::get<CallMessage>(other->heard[1]).id.sequence == 1);
  }
  SECTION("another incarnation is refused, and the call comes back") {
    other->say(hello_of({NodeId{2}, 23}));
    n.settle();
    REQUIRE(other->heard.size() == 2);
    CHECK(std::get<ReplyMessage>(other->heard[1]).sequence == 0);
    CHECK_FALSE(other->has_ended);  // so that it can read that
    other->stream->close();
    n.settle();
    CHECK(is_refusal(reply_of(one)));
    CHECK(one.lost == std::vector{kTwo});
    CHECK_THAT(one.notes, Catch::Contains("incarnation 22 of node-2 was expected there"));
  }
  SECTION("silence ends it after ten seconds, and the call comes back") {
    n.pass(9 * kSecond);
    CHECK(one.lost.empty());
    n.pass(kSecond);
    CHECK(is_refusal(reply_of(one)));
    CHECK(one.lost == std::vector{kTwo});
    CHECK(other->has_ended);
  }
}

TEST_CASE("peers: two that dial each other at once lose nothing and keep the order", "[transport]") {
  // Every interleaving of the steps of both connections that a seed draws.
  const std::uint64_t seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    Net n;
    PeerProcess one(n.net, kOne), two(n.net, kTwo);
    n.listen(one);
    n.listen(two);
    n.publish({kOne, kTwo});
    for (std::uint64_t i = 1; i <= 20; ++i) {
      one.peers.send(kTwo, call_of(kOne, i));
      two.peers.send(kOne, call_of(kTwo, i));
      for (int moves = static_cast<int>(random() % 6); moves > 0; --moves) {
        if (random() % 2 == 0) n.tick();
        if (auto steps = n.net.steps(); !steps.empty()) steps[random() % steps.size()](1 + random() % 100);
      }
    }
    n.settle();
    std::vector<std::uint64_t> all(20);
    std::iota(all.begin(), all.end(), 1);
    CHECK(calls_of(one) == all);
    CHECK(calls_of(two) == all);
    REQUIRE(one.lost.empty());
    REQUIRE(two.lost.empty());
  }
}

TEST_CASE("peers: a dial that fails loses nothing if the peer has come by itself", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne);
  n.listen(one);
  auto medium = n.net.make_medium();
  std::optional<Stranger> silent;
  REQUIRE(medium->listen("node-2", [&](auto stream) { silent.emplace(std::move(*stream)); }).has_value());
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  Stranger two(medium->dial("node-1").value());
  two.say(hello_of(kTwo));
  n.settle();
  REQUIRE(two.heard.size() == 2);  // the call has changed over
  silent->stream->close();
  n.settle();
  CHECK(one.lost.empty());
  two.say(ReplyMessage{1, ResultPart{}});
  n.settle();
  CHECK(reply_of(one).sequence == 1);
}

TEST_CASE("peers: when either connection ends, the peer is lost at both ends, once", "[transport]") {
  const std::size_t victim = GENERATE(0u, 1u, 2u, 3u);
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  two.peers.send(kOne, call_of(kTwo, 1));
  n.settle();
  REQUIRE(n.net.ends().size() == 4);
  n.net.ends()[victim]->cut();
  n.settle();
  CHECK(one.lost == std::vector{kTwo});
  CHECK(two.lost == std::vector{kOne});
  CHECK(one.peers.is_alone());
  CHECK(two.peers.is_alone());

  one.peers.send(kTwo, call_of(kOne, 2));
  n.settle();
  CHECK(calls_of(two) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("peers: a peer that connects anew is lost first", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne);
  n.listen(one);
  auto medium = n.net.make_medium();
  Stranger before(medium->dial("node-1").value());
  before.say(hello_of(kTwo));
  n.settle();
  Stranger after(medium->dial("node-1").value());
  after.say(hello_of(kTwo));
  before.say(call_of(kTwo, 1));
  after.say(call_of(kTwo, 2));
  while (one.lost.empty()) n.net.steps().back()(SIZE_MAX);
  n.settle();
  CHECK(one.hellos == std::vector{kTwo, kTwo});
  CHECK(before.has_ended);
  CHECK(calls_of(one) == std::vector<std::uint64_t>{2});
}

TEST_CASE("peers: what is no peer's is cut off with a note, and costs that connection only", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();

  auto medium = n.net.make_medium();
  Stranger stranger(medium->dial("node-1").value());
  const auto strike = [&](std::string_view why) {
    n.settle();
    CHECK(stranger.has_ended);
    CHECK_THAT(one.notes, Catch::Contains(std::string(why)));
  };
  constexpr PeerAddress kThree{NodeId{3}, 33};
  SECTION("bytes of another protocol") {
    const std::string_view get = "GET / HTTP/1.1\r\n\r\n";
    stranger.say_bytes(std::as_bytes(std::span(get)));
    strike("not an epic frame");
  }
  SECTION("a frame that is too large") {
    const std::uint32_t header[2] = {limits::kFrameBytesMax + 8, epic::protocol::kFrameMagic};
    stranger.say_bytes(std::as_bytes(std::span(header)));
    strike("the limit is");
  }
  SECTION("a message before the hello") {
    std::vector<std::byte> frame;
    epic::codec::FrameWriter<epic::protocol::PeerMessage>().append(call_of(kThree, 1), frame);
    stranger.say_bytes(frame);
    strike("a message before it introduced itself");
  }
  SECTION("a map to a node") {
    stranger.say(hello_of(kThree));
    stranger.say(map_of(9, {}));
    strike("only clients get");
  }
  SECTION("a second hello by another name") {
    stranger.say(hello_of(kThree));
    stranger.say(hello_of({NodeId{4}, 44}));
    strike("introduced itself twice");
  }
  SECTION("a call in another's name") {
    stranger.say(hello_of(kThree));
    stranger.say(call_of(kTwo, 1));
    strike("in another peer's name");
  }
  SECTION("a result of call 0") {
    stranger.say(hello_of(kThree));
    stranger.say(ReplyMessage{0, ResultPart{}});
    strike("a call that was never made");
  }
  SECTION("silence") {
    n.settle();
    n.pass(10 * kSecond);
    strike("did not introduce itself in time");
  }
  CHECK(std::ranges::count(one.lost, kTwo) == 0);
  two.peers.send(kOne, ReplyMessage{1, ResultPart{}});
  n.settle();
  CHECK(reply_of(one).sequence == 1);
}

TEST_CASE("peers: who is of another fabric, or counts other shards, gets the reason and no time to stay",
          "[transport]") {
  const bool is_fabric = GENERATE(true, false);
  Net n;
  PeerProcess one(n.net, kOne, is_fabric ? "f/2" : "f/1", is_fabric ? 8 : 16), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  CHECK(is_refusal(reply_of(one)));
  CHECK(one.lost == std::vector{kTwo});
  CHECK(two.messages.empty());
  CHECK(one.peers.is_alone());
  CHECK(two.peers.is_alone());
  CHECK_THAT(one.notes, Catch::Contains(is_fabric ? "fabric 'f/1'" : "8 shards"));
  CHECK_THAT(two.notes, Catch::Contains(is_fabric ? "fabric 'f/2'" : "16 shards"));
}

TEST_CASE("peers: a call to nobody comes back as refused, then the peer is lost", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne);
  n.listen(one);
  const bool is_member = GENERATE(true, false);
  if (is_member) n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 5));
  CHECK(one.messages.empty());  // send() does not call back
  n.settle();
  CHECK(one.messages.size() == 1);
  CHECK(reply_of(one).sequence == 5);
  CHECK(is_refusal(reply_of(one)));
  CHECK(one.lost == std::vector{kTwo});
}

TEST_CASE("peers: a reply to one that is gone is dropped", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, ReplyMessage{1, ResultPart{}});
  n.settle();
  CHECK(one.peers.is_alone());
  CHECK(one.lost.empty());
  CHECK(two.hellos.empty());
}

TEST_CASE("peers: a peer that reads nothing gets calls answered Overloaded, then is cut off", "[transport]") {
  Net n;
  n.net.capacity = 4096;
  PeerProcess one(n.net, kOne, "f/1", 8, kSmall);
  n.listen(one);
  auto medium = n.net.make_medium();
  Stranger deaf(medium->dial("node-1").value());
  deaf.say(hello_of(kTwo));
  n.settle();
  std::uint64_t sequence = 0;
  while (one.peers.unsent_bytes() <= kSmall.unsent_bytes_full) one.peers.send(kTwo, call_of(kOne, ++sequence, 8000));
  one.peers.send(kTwo, call_of(kOne, ++sequence));
  one.peers.send(kTwo, ReplyMessage{9, ResultPart{}});  // is not refused
  CHECK(one.messages.empty());
  one.peers.on_time(n.now_ns);
  CHECK(reply_of(one).sequence == sequence);
  CHECK(std::get<ErrorPart>(reply_of(one).outcome).code == ErrorCode::overloaded);

  while (one.peers.unsent_bytes() <= kSmall.unsent_bytes_max)
    one.peers.send(kTwo, ReplyMessage{9, ResultPart{std::vector<std::byte>(16000)}});
  one.peers.send(kTwo, ReplyMessage{9, ResultPart{}});
  one.peers.send(kTwo, call_of(kOne, ++sequence));
  CHECK(one.lost.empty());
  one.peers.on_time(n.now_ns);
  CHECK(one.lost == std::vector{kTwo});
  REQUIRE(one.messages.size() == 2);
  CHECK(is_refusal(reply_of(one, 1)));  // the last call never left
}

TEST_CASE("peers: an Overloaded call is answered before its peer is lost", "[transport]") {
  Net n;
  n.net.capacity = 4096;
  PeerProcess one(n.net, kOne, "f/1", 8, kSmall);
  n.listen(one);
  auto medium = n.net.make_medium();
  Stranger deaf(medium->dial("node-1").value());
  deaf.say(hello_of(kTwo));
  n.settle();
  while (one.peers.unsent_bytes() <= kSmall.unsent_bytes_full) one.peers.send(kTwo, call_of(kOne, 1, 8000));
  one.peers.send(kTwo, call_of(kOne, 2));
  for (const auto& end : n.net.ends()) end->cut();
  while (one.lost.empty()) n.net.steps().front()(SIZE_MAX);
  REQUIRE(one.messages.size() == 1);
  CHECK(reply_of(one).sequence == 2);
  n.settle();
  CHECK(one.messages.size() == 1);
}

TEST_CASE("peers: one that parts says so behind its last answer, hears nothing more, and is left", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  two.peers.send(kOne, call_of(kTwo, 1));
  n.settle();
  two.peers.send(kOne, ReplyMessage{1, ResultPart{}});
  two.peers.part();
  one.peers.send(kTwo, call_of(kOne, 2));
  n.settle();
  CHECK(one.lost == std::vector{kTwo});
  CHECK(two.peers.is_alone());
  CHECK(calls_of(two) == std::vector<std::uint64_t>{1});
  REQUIRE(one.messages.size() == 3);
  CHECK(reply_of(one, 1).sequence == 1);
  CHECK(reply_of(one, 2).sequence == 0);
  CHECK(is_refusal(reply_of(one, 2)));

  one.peers.send(kTwo, call_of(kOne, 3));  // nobody listens there any more
  n.settle();
  CHECK(is_refusal(reply_of(one, 3)));
}

TEST_CASE("peers: two that part at once leave each other", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  one.peers.part();
  two.peers.part();
  n.settle();
  CHECK(one.peers.is_alone());
  CHECK(two.peers.is_alone());
}

TEST_CASE("peers: who has dialled before hide() is answered, later ones find nobody", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo), three(n.net, {NodeId{3}, 33});
  for (PeerProcess* process : {&one, &two, &three}) n.listen(*process);
  n.publish({kOne, kTwo, three.address});
  one.peers.send(kTwo, call_of(kOne, 1));
  two.peers.hide();
  three.peers.send(kTwo, call_of(three.address, 1));
  n.settle();
  CHECK(two.hellos == std::vector{kOne});
  CHECK(is_refusal(reply_of(three)));
  two.peers.part();
  n.settle();
  CHECK(is_refusal(reply_of(one)));
}

TEST_CASE("peers: a client needs no fabric, and gets each shard map", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), client(n.net, kClient, "", 0);
  n.listen(one);
  n.processes.push_back(&client);
  client.peers.meet("node-1");
  client.peers.meet("node-1");  // is under way
  n.settle();
  CHECK(client.hellos == std::vector{kOne});
  CHECK(one.hellos == std::vector{kClient});
  one.peers.set_map(map_of(4, {kOne}));
  n.settle();
  REQUIRE(client.maps.size() == 1);
  CHECK(client.maps[0].version == MapVersion{4});
  one.peers.send(kClient, ReplyMessage{3, ErrorPart{ErrorCode::timeout, {}, "late"}});
  n.settle();
  CHECK(reply_of(client).sequence == 3);

  client.peers.meet("node-9");
  client.peers.meet("");  // the medium refuses it on the spot
  CHECK(client.unmet.empty());
  n.settle();
  CHECK(client.unmet == std::vector<std::string>{"", "node-9"});
}

TEST_CASE("peers: a longer method table reaches those who know us before the next call", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  one.peers.introduce(hello_of(kOne));
  one.peers.send(kTwo, call_of(kOne, 2));
  n.settle();
  CHECK(two.hellos == std::vector{kOne, kOne});
}

TEST_CASE("peers: there is a limit on connections", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne, "f/1", 8, kSmall);
  n.listen(one);
  auto medium = n.net.make_medium();
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (std::size_t i = 0; i <= kSmall.connections_max; ++i)
    strangers.push_back(std::make_unique<Stranger>(medium->dial("node-1").value()));
  n.settle();
  CHECK(strangers.back()->has_ended);
  CHECK_FALSE(strangers.front()->has_ended);
  CHECK_THAT(one.notes, Catch::Contains("there are already 8 connections"));
}

TEST_CASE("peers: close() ends everything without a word", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  one.peers.close();
  n.settle();
  CHECK(one.messages.empty());
  CHECK(one.lost.empty());
  CHECK(one.peers.is_alone());
}
