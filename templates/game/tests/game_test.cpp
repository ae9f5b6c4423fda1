#include <catch2/catch.hpp>
#include <chrono>
#include <epic/script.hpp>
#include <epic/testing.hpp>

#include "leaderboard.hpp"
#include "match.hpp"

using namespace std::chrono_literals;
using epic::testing::calls;
using epic::testing::Node;
using epic::testing::Script;
using epic::testing::sleeps;

TEST_CASE("barrel: explodes when its armour is used up, and remembers the shooter") {
  Node node;
  auto bob = node.get<Player>("Bob");
  auto ada = node.get<Player>("Ada");
  auto barrel = node.get<Barrel>(1);  // takes two hits

  CHECK_FALSE(node.call(barrel->on_hit(ada)));
  CHECK(node.call(barrel->get_armour()) == 1);
  CHECK(node.call(barrel->on_hit(bob)));
  CHECK(node.call(barrel->on_hit(bob)));
  CHECK_FALSE(node.call(barrel->on_hit(ada)));
}

TEST_CASE("player: a barrel counts once, however often its level is entered") {
  Node node;
  auto bob = node.get<Player>("Bob");
  const std::vector barrels{node.get<Barrel>(0), node.get<Barrel>(1), node.get<Barrel>(2)};  // 1, 2 and 3 hits

  CHECK(node.call(bob->enter_level("yard", barrels)) == 2);
  CHECK(node.call(bob->enter_level("yard", barrels)) == 3);
  CHECK(node.call(bob->get_score()) == 3);
}

TEST_CASE("player: shoots at all barrels at once, reloads, and shoots again") {
  Script<Player> bob("Bob");  // alone: the test plays the barrels
  const std::vector barrels{epic::Ref<Barrel>(1), epic::Ref<Barrel>(2)};
  auto level = bob.call<&Player::enter_level>("yard", barrels);

  const auto first = bob.expect(calls<&Barrel::on_hit>("Barrel/1"));
  const auto second = bob.expect(calls<&Barrel::on_hit>("Barrel/2"));
  CHECK(first.argument<0>() == bob.self());
  first.answer(false);
  second.answer(false);
  bob.expect(sleeps(10ms));
  bob.expect(calls<&Barrel::on_hit>("Barrel/1")).answer(true);
  bob.expect(calls<&Barrel::on_hit>("Barrel/2")).answer(false);

  CHECK(level.result() == 1);
  CHECK(bob.state() == R"({"title":"Slayer of armoured cylinders","scores":{"yard":1}})");
}

TEST_CASE("match: is played once, even across a crash") {
  Node node;
  auto match = node.get<Match>("opening");
  CHECK(node.call(match->play(node.get<Player>("Bob"), {node.get<Barrel>(0)})) == 1);

  node.crash();
  CHECK(node.call(match->play(node.get<Player>("Ada"), {node.get<Barrel>(3), node.get<Barrel>(6)})) == 1);
  CHECK(node.call(node.get<Player>("Ada")->get_score()) == 0);
}

TEST_CASE("leaderboard: best first, one line per player, and a high score is new only once") {
  Node node;
  auto board = node.get<Leaderboard>("world");
  auto bob = node.get<Player>("Bob");
  auto ada = node.get<Player>("Ada");

  CHECK(node.call(board->submit({.player = bob, .name = "Bob", .score = 10})));
  CHECK(node.call(board->submit({.player = ada, .name = "Ada", .score = 12})));
  CHECK_FALSE(node.call(board->submit({.player = bob, .name = "Bob", .score = 11})));

  const auto top = node.call(board->get_top(5));
  REQUIRE(top.size() == 2);
  CHECK(top[0].name == "Ada");
  CHECK(top[1].score == 11);
}

TEST_CASE("setup: sets the high score, and finds it already set the next time") {
  Node node;
  node.run_setup();
  CHECK(node.log().back().message == "New high score for player Bob: Slayer of armoured cylinders: 21");

  node.restart();
  node.run_setup();
  CHECK(node.log().back().message == "High score of player Bob: Slayer of armoured cylinders, set earlier: 21");
}
