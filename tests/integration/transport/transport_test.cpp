// What every medium must do for its peers.
#include "integration/transport/transport_fixture.hpp"

using namespace epic::kernel;
using namespace epic::test;
using epic::ErrorCode;

TEST_CASE("transport: messages arrive in order, after a hello, whatever their size", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  LinkedEnds ends(f);
  auto& [one, two] = ends;
  constexpr std::uint64_t kCount = 2000;
  for (std::uint64_t i = 1; i <= kCount; ++i) one.transport.send(kNode2, make_call(i, i % 100 == 0 ? 1u << 20 : 24));
  f.run_until("all messages", [&] { return two.messages.size() == kCount; });
  CHECK(two.hellos == std::vector{kNode1});
  for (std::uint64_t i = 0; i < kCount; ++i) {
    CHECK(two.messages[i].first == kNode1);
    CHECK(std::get<CallMessage>(two.messages[i].second).id.sequence == i + 1);
  }
  two.transport.send(kNode1, ReplyMessage{7, ResultPart{}});
  f.run_until("the reply", [&] { return one.messages.size() == 1; });
  CHECK(one.hellos == std::vector{kNode2});
}

TEST_CASE("transport: two that dial each other at once lose nothing and keep the order", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  LinkedEnds ends(f);
  auto& [one, two] = ends;
  for (std::uint64_t i = 1; i <= 50; ++i) {
    one.transport.send(kNode2, make_call(i));
    two.transport.send(kNode1, make_call(i, 8, kNode2));
    if (i % 5 == 0) f.run_until("some", [&] { return one.messages.size() >= i - 4 && two.messages.size() >= i - 4; });
  }
  f.run_until("all", [&] { return one.messages.size() == 50 && two.messages.size() == 50; });
  for (std::uint64_t i = 0; i < 50; ++i)
    for (const End* end : {&one, &two}) CHECK(std::get<CallMessage>(end->messages[i].second).id.sequence == i + 1);
  CHECK(one.lost.empty());
  CHECK(two.lost.empty());
}

TEST_CASE("transport: a peer of another fabric, or with another number of shards, is refused with a reason",
          "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  const bool is_fabric = GENERATE(true, false);
  End one = f.make_end(kNode1, is_fabric ? "f/2" : "f/1", is_fabric ? 8 : 16);
  End two = f.make_end(kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(1));
  f.run_until("the end", [&] { return one.lost.size() == 1; });
  f.run_until("both notes", [&] { return !one.notes.empty() && !two.notes.empty(); });
  CHECK(two.messages.empty());
  CHECK(two.transport.refusals().of(epic::transport::Refusal::wrong_fabric) == (is_fabric ? 1 : 0));
  const auto reason = is_fabric ? Catch::Contains("fabric 'f/") : Catch::Contains("shards");
  CHECK_THAT(one.notes + two.notes, reason);
}

TEST_CASE("transport: a call to a peer that cannot be reached comes back as refused, then it is lost", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  End one = f.make_end(kNode1);
  f.listen(one);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(5));
  f.run_until("the loss", [&] { return one.lost.size() == 1; });
  REQUIRE(one.messages.size() == 1);
  const auto& reply = std::get<ReplyMessage>(one.messages[0].second);
  CHECK(reply.sequence == 5);
  CHECK(std::holds_alternative<RefusedPart>(reply.outcome));
}

TEST_CASE("transport: another life at a peer's address is not that peer", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  End one = f.make_end(kNode1);
  End two = f.make_end({NodeId{2}, 23});
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(1));
  f.run_until("the loss", [&] { return one.lost == std::vector{kNode2}; });
  CHECK(one.hellos.empty());
  CHECK(two.messages.empty());  // nor did it get what was meant for the other
  REQUIRE(one.messages.size() == 1);
  CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(one.messages[0].second).outcome));
}

TEST_CASE("transport: a peer that ends is lost, once, and can be reached again in its next life", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  End one = f.make_end(kNode1);
  f.listen(one);
  {
    End two = f.make_end(kNode2);
    f.listen(two);
    f.publish({kNode1, kNode2});
    one.transport.send(kNode2, make_call(1));
    two.transport.send(kNode1, make_call(1, 8, kNode2));
    f.run_until("both", [&] { return one.messages.size() == 1 && two.messages.size() == 1; });
    f.ends.pop_back();
  }
  f.run_until("the loss", [&] { return one.lost == std::vector{kNode2}; });
  End next = f.make_end({NodeId{2}, 23});
  f.listen(next);
  f.publish({kNode1, next.address});
  one.transport.send(next.address, make_call(2));
  f.run_until("the call", [&] { return next.messages.size() == 1; });
  CHECK(one.lost.size() == 1);
}

TEST_CASE("transport: one that parts says so behind its last answer, reads no more, and is left", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  LinkedEnds ends(f);
  auto& [one, two] = ends;
  // Both dial, so that there are two connections.
  one.transport.send(kNode2, make_call(1));
  two.transport.send(kNode1, make_call(1, 8, kNode2));
  f.run_until("both calls", [&] { return one.messages.size() == 1 && two.messages.size() == 1; });
  two.transport.send(kNode1, ReplyMessage{1, ResultPart{}});
  two.transport.part();
  one.transport.send(kNode2, make_call(2));
  f.run_until("the end", [&] { return one.lost == std::vector{kNode2} && two.transport.is_alone(); });
  CHECK(two.messages.size() == 1);
  REQUIRE(one.messages.size() == 3);
  CHECK(std::get<ReplyMessage>(one.messages[1].second).sequence == 1);
  const auto& farewell = std::get<ReplyMessage>(one.messages[2].second);
  CHECK(farewell.sequence == 0);
  CHECK(std::holds_alternative<RefusedPart>(farewell.outcome));
  if (f.kind == MediumKind::unix_sockets) CHECK_FALSE(std::filesystem::exists(f.path(kNode2.node)));
}

TEST_CASE("transport: two that part at once leave each other", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  LinkedEnds ends(f);
  auto& [one, two] = ends;
  one.transport.send(kNode2, make_call(1));
  f.run_until("the call", [&] { return two.messages.size() == 1; });
  for (End* end : f.ends) end->transport.part();
  f.run_until("both are alone", [&] { return one.transport.is_alone() && two.transport.is_alone(); });
}

TEST_CASE("transport: a client needs no fabric, and is told each shard map", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  End node = f.make_end(kNode1);
  End client = f.make_end({NodeId{0}, 77}, "", 0);
  f.listen(node);
  f.ends.push_back(&client);
  client.transport.meet(f.path(NodeId{1}));
  f.run_until("both hellos", [&] { return client.hellos.size() == 1 && node.hellos.size() == 1; });
  CHECK(node.hellos[0].is_client());
  node.transport.set_map(
      {.version = MapVersion{4}, .owners = std::vector<NodeId>(8), .members = {}, .moving = {}, .owned_since = {}});
  f.run_until("the map", [&] { return client.maps.size() == 1; });
  CHECK(client.maps[0].version == MapVersion{4});
  node.transport.send(client.address, ReplyMessage{3, ErrorPart{ErrorCode::timeout, {}, "late"}});
  f.run_until("the reply", [&] { return client.messages.size() == 1; });
}

TEST_CASE("transport: nobody at an address is said, not thrown", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  End client = f.make_end({NodeId{0}, 77}, "", 0);
  f.ends.push_back(&client);
  client.transport.meet(f.path(NodeId{9}));
  f.run_until("the answer", [&] { return client.unmet.size() == 1; });
  CHECK(client.unmet[0] == f.path(NodeId{9}));
}

TEST_CASE("transport: when a peer has read what was sent there is room for calls again", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  LinkedEnds ends(f);
  auto& [one, two] = ends;
  std::uint64_t sequence = 0;
  for (std::size_t round = 1; round <= 2; ++round) {
    while (one.transport.has_room(kNode2)) one.transport.send(kNode2, make_call(++sequence, 8u << 20));
    f.run_until("room", [&] { return one.with_room.size() == round; });
    CHECK(one.transport.has_room(kNode2));
  }
  f.run_until("all calls", [&] { return two.messages.size() == sequence; });
  CHECK(one.with_room == std::vector{kNode2, kNode2});
  CHECK(one.lost.empty());
}

TEST_CASE("transport: who has dialled before hide() is answered, later ones find nobody", "[transport]") {
  TransportFixture f(GENERATE(MediumKind::unix_sockets, MediumKind::tcp));
  End one = f.make_end(kNode1);
  End two = f.make_end(kNode2);
  End three = f.make_end({NodeId{3}, 33});
  f.listen(one);
  f.listen(two);
  f.listen(three);
  f.publish({kNode1, kNode2, three.address});
  one.transport.send(kNode2, make_call(1));
  two.transport.hide();
  three.transport.send(kNode2, make_call(1, 8, three.address));
  f.run_until("the call and the loss", [&] { return two.messages.size() == 1 && three.lost.size() == 1; });
  CHECK(two.hellos == std::vector{kNode1});
  CHECK(one.lost.empty());
}
