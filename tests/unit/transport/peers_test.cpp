#include <catch2/catch.hpp>
#include <numeric>

#include "unit/transport/peers_fixture.hpp"

using namespace epic::kernel;
using namespace epic::test;
using epic::ErrorCode;
namespace transport = epic::transport;

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

TEST_CASE("peers: a process that may not send writes no byte, and everything in order when it may again",
          "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo), three(n.net, {NodeId{3}, 33});
  for (PeerProcess* process : {&one, &two, &three}) n.listen(*process);
  n.publish({kOne, kTwo, three.address});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  REQUIRE(calls_of(two) == std::vector<std::uint64_t>{1});

  one.may_send = false;
  one.peers.send(kTwo, call_of(kOne, 2));
  one.peers.send(three.address, call_of(kOne, 3));  // which it has not met
  two.peers.send(kOne, ReplyMessage{1, ResultPart{}});
  n.settle();
  CHECK(reply_of(one).sequence == 1);  // it reads
  CHECK(calls_of(two) == std::vector<std::uint64_t>{1});
  CHECK(three.hellos.empty());
  CHECK(one.peers.unsent_bytes() > 0);

  one.may_send = true;
  n.settle();
  CHECK(calls_of(two) == std::vector<std::uint64_t>{1, 2});
  CHECK(calls_of(three) == std::vector<std::uint64_t>{3});
}

TEST_CASE("peers: a process that may not send writes no byte when a stream takes some again", "[transport]") {
  Net n;
  n.net.capacity = 64;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  REQUIRE(calls_of(two) == std::vector<std::uint64_t>{1});

  one.peers.send(kTwo, call_of(kOne, 2, 1000));
  n.tick();
  const std::size_t unsent = one.peers.unsent_bytes();
  REQUIRE(unsent > 0);
  one.may_send = false;
  n.settle();
  CHECK(one.peers.unsent_bytes() == unsent);
  one.may_send = true;
  n.settle();
  CHECK(calls_of(two) == std::vector<std::uint64_t>{1, 2});
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

TEST_CASE("peers: a call that is sent while another comes back comes back, too: it has not left", "[transport]") {
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
  one.then_send = call_of(kOne, 2);
  other->stream->close();
  n.settle();
  REQUIRE(one.messages.size() == 2);
  CHECK(is_refusal(reply_of(one)));
  CHECK(is_refusal(reply_of(one, 1)));
  CHECK(reply_of(one, 1).sequence == 2);
  CHECK(one.lost == std::vector{kTwo});
}

TEST_CASE("peers: of a broadcast that cannot leave each call comes back, of one that can each arrives", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.publish({kOne, kTwo});
  const BroadcastMessage broadcast{.first = call_of(kOne, 5), .steps = {2, 3}, .keys = {"b", "c"}};
  one.peers.send(kTwo, broadcast);
  n.settle();
  REQUIRE(one.messages.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(is_refusal(reply_of(one, i)));
  CHECK(reply_of(one, 0).sequence == 5);
  CHECK(reply_of(one, 1).sequence == 7);
  CHECK(reply_of(one, 2).sequence == 8);

  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, broadcast);
  n.settle();
  REQUIRE(two.messages.size() == 1);
  CHECK(std::get<BroadcastMessage>(two.messages[0].second) == broadcast);
  two.peers.send(kOne, EndedMessage{{5, 7, 8}});
  n.settle();
  CHECK(std::get<EndedMessage>(one.messages.back().second).sequences.size() == 3);
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

TEST_CASE("peers: who is in no map any more is lost though its connection does not end, unless it is in the next one",
          "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), client(n.net, kClient, "", 0);
  n.listen(one);
  auto medium = n.net.make_medium();
  Stranger silent(medium->dial("node-1").value());
  silent.say(hello_of(kTwo));
  n.processes.push_back(&client);
  client.peers.meet("node-1");
  one.peers.set_map(map_of(1, {kOne, kTwo}));
  n.settle();
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  const std::int64_t timeout_ns = transport::Peers::kLeftTimeout.count();

  one.peers.set_map(map_of(2, {kOne}));
  n.settle();
  n.pass(timeout_ns / 2);
  CHECK(one.lost.empty());
  one.peers.set_map(map_of(3, {kOne, kTwo}));
  n.pass(timeout_ns);
  CHECK(one.lost.empty());

  one.peers.set_map(map_of(4, {kOne}));
  n.settle();
  CHECK(one.lost.empty());
  n.pass(timeout_ns);
  CHECK(one.lost == std::vector{kTwo});
  CHECK(silent.has_ended);
  CHECK(client.lost.empty());
}

TEST_CASE("peers: who waits to meet a node hears that it is in no map any more", "[transport]") {
  Net n;
  PeerProcess client(n.net, kClient, "", 0);
  auto medium = n.net.make_medium();
  const auto never_says_who_it_is = medium->listen("node-2", [](auto) {});
  REQUIRE(never_says_who_it_is);
  n.processes.push_back(&client);
  client.peers.set_map(map_of(1, {kOne, kTwo}));
  client.peers.send(kTwo, call_of(kClient, 1));
  n.settle();
  client.peers.meet("node-2");
  client.peers.set_map(map_of(2, {kOne}));
  n.settle();
  n.pass(transport::Peers::kLeftTimeout.count());
  CHECK(client.lost == std::vector{kTwo});
  CHECK(client.unmet == std::vector<std::string>{"node-2"});
}
