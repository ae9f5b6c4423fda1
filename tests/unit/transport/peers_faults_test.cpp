// What peers do about strangers, slow readers and the end of a peer.
#include <catch2/catch.hpp>

#include "unit/transport/peers_fixture.hpp"

using namespace epic::kernel;
using namespace epic::test;
using epic::ErrorCode;
namespace transport = epic::transport;

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

TEST_CASE("peers: a node that has a class in another group is refused, and both say which", "[transport]") {
  const bool is_missing = GENERATE(true, false);
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  auto hello = hello_of(kOne);
  if (!is_missing) hello.groups = {{"Guest", "Inn"}, {"Cook", "Inn"}};
  one.peers.introduce(hello);
  hello = hello_of(kTwo);
  hello.groups = {{"Guest", "Room"}, {"Cook", "Inn"}};
  if (is_missing) hello.groups.erase("Cook");
  two.peers.introduce(hello);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  CHECK(one.lost == std::vector{kTwo});
  CHECK(two.messages.empty());
  const std::string ones = is_missing ? "on its own" : "together(Inn)";
  CHECK_THAT(two.notes, Catch::Contains("it has class Guest " + ones + " instead of together(Room)"));
  CHECK_THAT(one.notes, Catch::Contains("it has class Guest together(Room) instead of " + ones));
}

TEST_CASE("peers: a client that cannot place classes in groups is refused only where there are some", "[transport]") {
  const bool has_groups = GENERATE(true, false);
  const bool can_place = GENERATE(true, false);
  Net n;
  PeerProcess node(n.net, kTwo), client(n.net, {NodeId{0}, 77}, "");
  auto hello = hello_of(kTwo);
  if (has_groups) hello.groups = {{"Guest", "Room"}};
  node.peers.introduce(hello);
  client.peers.introduce({.from = client.address, .fabric = {}, .methods = {}, .places_groups = can_place});
  n.listen(node);
  client.peers.meet(address_of(kTwo));
  n.settle();
  CHECK(node.hellos.size() == (has_groups && !can_place ? 0 : 1));
  CHECK(client.hellos.size() == node.hellos.size());
  if (node.hellos.empty()) CHECK_THAT(node.notes, Catch::Contains("build it again"));
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

TEST_CASE("peers: what is sent again from within its refusal is refused, too, before the peer is lost", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne);
  n.listen(one);
  one.peers.send(kTwo, call_of(kOne, 5));
  one.then_send = call_of(kOne, 6);
  one.peers.on_time(n.now_ns);
  REQUIRE(one.messages.size() == 2);
  CHECK(reply_of(one, 1).sequence == 6);
  CHECK(is_refusal(reply_of(one, 1)));
  CHECK(one.lost == std::vector{kTwo});
  n.settle();
  CHECK(one.messages.size() == 2);
  CHECK(one.lost.size() == 1);
}

TEST_CASE("peers: one that is dialled from within the loss of a silent one has a time of its own", "[transport]") {
  Net n;
  constexpr PeerAddress kThree{NodeId{3}, 33};
  PeerProcess one(n.net, kOne), three(n.net, kThree);
  n.listen(one);
  n.listen(three);
  std::vector<transport::StreamPtr> silent;
  auto medium = n.net.make_medium();
  REQUIRE(medium->listen(address_of(kTwo), [&](auto stream) { silent.push_back(*std::move(stream)); }).has_value());
  n.publish({kOne, kTwo, kThree});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  one.on_lost_send = {kThree, call_of(kOne, 2)};
  n.pass(10 * kSecond);
  CHECK(one.lost == std::vector{kTwo});
  CHECK(calls_of(three) == std::vector<std::uint64_t>{2});
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

TEST_CASE("peers: for one that reads nothing there is no room for calls, and with too many replies it is cut off",
          "[transport]") {
  Net n;
  n.net.capacity = 4096;
  PeerProcess one(n.net, kOne, "f/1", 8, kSmall);
  n.listen(one);
  auto medium = n.net.make_medium();
  Stranger deaf(medium->dial("node-1").value());
  deaf.say(hello_of(kTwo));
  n.settle();
  std::uint64_t sequence = 0;
  while (one.peers.has_room(kTwo)) one.peers.send(kTwo, call_of(kOne, ++sequence, 8000));
  CHECK(one.peers.unsent_bytes() > kSmall.unsent_bytes_full);
  CHECK(one.peers.unsent_bytes() < kSmall.unsent_bytes_full + 10'000);
  one.peers.send(kTwo, ReplyMessage{9, ResultPart{}});
  n.tick();
  CHECK(one.with_room.empty());
  CHECK(one.messages.empty());

  while (one.peers.unsent_bytes() <= kSmall.unsent_bytes_max)
    one.peers.send(kTwo, ReplyMessage{9, ResultPart{std::vector<std::byte>(16000)}});
  one.peers.send(kTwo, ReplyMessage{9, ResultPart{}});
  one.peers.send(kTwo, call_of(kOne, ++sequence));
  CHECK(one.lost.empty());
  one.peers.on_time(n.now_ns);
  CHECK(one.lost == std::vector{kTwo});
  REQUIRE(one.messages.size() == 1);
  CHECK(is_refusal(reply_of(one)));  // the last call never left
  CHECK(one.peers.has_room(kTwo));   // for the next one to connect
  CHECK(one.with_room.empty());
}

TEST_CASE("peers: there is room again when half of what was unsent has been read, which is reported once",
          "[transport]") {
  Net n;
  n.net.capacity = 4096;
  PeerProcess one(n.net, kOne, "f/1", 8, kSmall);
  n.listen(one);
  auto medium = n.net.make_medium();
  Stranger slow(medium->dial("node-1").value());
  slow.say(hello_of(kTwo));
  n.settle();
  const bool is_within_callback = GENERATE(false, true);  // the next call is sent as soon as there is room
  std::uint64_t sequence = 0;
  for (int round = 0; round < 2; ++round) {
    if (is_within_callback) one.on_room_send = call_of(kOne, 1000, 8000);
    while (one.peers.has_room(kTwo)) one.peers.send(kTwo, call_of(kOne, ++sequence, 8000));
    CHECK_FALSE(one.peers.next_timer_ns().has_value());
    while (one.with_room.empty()) {
      n.tick();
      if (!one.with_room.empty()) break;
      CHECK_FALSE(one.peers.has_room(kTwo));
      REQUIRE_FALSE(n.net.steps().empty());
      n.net.steps().front()(SIZE_MAX);
      if (one.peers.unsent_bytes() <= kSmall.unsent_bytes_full / 2) CHECK(one.peers.next_timer_ns() == 0);
    }
    CHECK(one.with_room == std::vector{kTwo});
    CHECK(one.peers.has_room(kTwo));
    CHECK(one.peers.unsent_bytes() > 0);  // not only when all has been read
    n.settle();
    CHECK(one.with_room.size() == 1);
    one.with_room.clear();
  }
  CHECK(slow.heard.size() == sequence + (is_within_callback ? 2 : 0) + 1);  // and the Hello
}

TEST_CASE("peers: of one that is lost while there is no room nothing more is reported", "[transport]") {
  Net n;
  n.net.capacity = 4096;
  PeerProcess one(n.net, kOne, "f/1", 8, kSmall);
  n.listen(one);
  auto medium = n.net.make_medium();
  Stranger deaf(medium->dial("node-1").value());
  deaf.say(hello_of(kTwo));
  n.settle();
  while (one.peers.has_room(kTwo)) one.peers.send(kTwo, call_of(kOne, 1, 8000));
  for (const auto& end : n.net.ends()) end->cut();
  n.settle();
  CHECK(one.lost == std::vector{kTwo});
  CHECK(one.peers.has_room(kTwo));
  one.with_room.clear();  // the medium may have taken the bytes before it broke
  n.settle();
  CHECK(one.with_room.empty());
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

TEST_CASE("peers: what is sent to one that parts, from within its last word, is refused", "[transport]") {
  Net n;
  PeerProcess one(n.net, kOne), two(n.net, kTwo);
  n.listen(one);
  n.listen(two);
  n.publish({kOne, kTwo});
  one.peers.send(kTwo, call_of(kOne, 1));
  n.settle();
  two.peers.part();
  one.then_send = call_of(kOne, 2);
  n.settle();
  CHECK(one.lost == std::vector{kTwo});
  REQUIRE(one.messages.size() == 2);
  CHECK(reply_of(one, 0).sequence == 0);
  CHECK(reply_of(one, 1).sequence == 2);
  CHECK(is_refusal(reply_of(one, 1)));
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
