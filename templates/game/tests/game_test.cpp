#include <catch2/catch.hpp>
#include <chrono>
#include <epic/script.hpp>
#include <epic/testing.hpp>

#include "leaderboard.hpp"
#include "match.hpp"

using namespace std::chrono_literals;
using epic::testing::calls;
using epic::testing::forgets;
using epic::testing::Node;
using epic::testing::reminds;
using epic::testing::Script;
using epic::testing::ticks;

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

TEST_CASE("player: shoots twice, and a barrel counts once, however often its level is entered") {
  Script<Player> bob("Bob");  // alone: the test plays the match
  const std::vector barrels{epic::Ref<Barrel>(1), epic::Ref<Barrel>(2)};

  for (const std::int64_t fallen : {1, 2}) {
    auto level = bob.call<&Player::enter_level>(epic::Ref<Match>("yard"), barrels);
    const auto first = bob.expect(calls<&Match::shoot>("Match/yard"));
    CHECK(first.argument<0>() == bob.self());
    CHECK(first.argument<1>() == barrels);
    first.answer(0);
    bob.expect(calls<&Match::shoot>("Match/yard")).answer(fallen);
    CHECK(level.result() == fallen);
    bob.call<&Player::keep_score>(epic::Ref<Match>("yard"), fallen).result();
  }
  CHECK(bob.state() == R"({"title":"Slayer of armoured cylinders","scores":{"yard":2}})");
}

TEST_CASE("match: shots take effect at the next tick, all at once") {
  Script<Match> match("yard");
  const epic::Ref<Player> bob("Bob");
  const std::vector barrels{epic::Ref<Barrel>(1), epic::Ref<Barrel>(2)};
  CHECK_THROWS_WITH(match.call<&Match::shoot>(bob, barrels).result(), "no round is on");

  auto play = match.call<&Match::play>(bob, barrels);
  match.expect(reminds<&Match::end>("end", Match::kLasts));
  const auto level = match.expect(calls<&Player::enter_level>("Player/Bob"));
  auto shot = match.call<&Match::shoot>(bob, barrels);
  match.pass(49ms);
  CHECK_FALSE(shot.has_ended());

  match.expect(ticks<&Match::tick>(1ms));
  const auto first = match.expect(calls<&Barrel::on_hit>("Barrel/1"));
  match.expect(calls<&Barrel::on_hit>("Barrel/2")).answer(false);
  first.answer(true);
  CHECK(shot.result() == 1);
  match.expect(ticks<&Match::tick>(50ms));  // nobody has shot

  level.answer(1);
  match.expect(forgets("end"));
  const auto score = match.expect(calls<&Player::keep_score>("Player/Bob"));
  CHECK(score.argument<1>() == 1);
  score.answer();
  CHECK(play.result() == 1);
  match.pass(1s);  // no more ticks
  CHECK(match.state() == R"({"result":1,"played_by":{"value":"Player/Bob"},"is_on":false,"rounds_lost":0})");
}

TEST_CASE("match: a player who shoots twice before a tick has changed the aim") {
  Script<Match> match("yard");
  const epic::Ref<Player> bob("Bob");
  const epic::Ref<Player> ada("Ada");
  auto play = match.call<&Match::play>(bob, std::vector<epic::Ref<Barrel>>{});
  match.expect(reminds<&Match::end>("end", Match::kLasts));
  const auto level = match.expect(calls<&Player::enter_level>("Player/Bob"));

  auto wide = match.call<&Match::shoot>(bob, std::vector{epic::Ref<Barrel>(1)});
  auto hers = match.call<&Match::shoot>(ada, std::vector{epic::Ref<Barrel>(2)});
  auto his = match.call<&Match::shoot>(bob, std::vector{epic::Ref<Barrel>(3)});
  match.expect(ticks<&Match::tick>(50ms));
  match.expect(calls<&Barrel::on_hit>("Barrel/2")).fail(epic::NodeLost("its node has died"));
  match.expect(calls<&Barrel::on_hit>("Barrel/3")).answer(true);

  CHECK(wide.result() == 1);
  CHECK(his.result() == 1);
  CHECK_THROWS_AS(hers.result(), epic::NodeLost);
  level.fail(epic::NodeLost("its node has died"));
  CHECK_THROWS_AS(play.result(), epic::NodeLost);
  CHECK(match.state() == R"({"result":null,"played_by":{"value":"Player/Bob"},"is_on":false,"rounds_lost":0})");
}

TEST_CASE("match: notices that a crash has cut its round short, and is played anew") {
  Node node;
  auto match = node.get<Match>("opening");
  const std::vector barrels{node.get<Barrel>(0), node.get<Barrel>(1)};
  CHECK_THROWS_AS(node.call(match.with(10ms)->play(node.get<Player>("Bob"), barrels)), epic::Timeout);

  node.crash();
  CHECK(node.call(match->get_rounds_lost()) == 1);
  CHECK(node.call(match->play(node.get<Player>("Bob"), barrels)) == 2);
  node.crash();
  CHECK(node.call(match->get_rounds_lost()) == 1);
}

TEST_CASE("match: ends when its time is up, in mid-play") {
  Script<Match> match("yard");
  const epic::Ref<Player> bob("Bob");
  const std::vector barrels{epic::Ref<Barrel>(1)};
  auto play = match.call<&Match::play>(bob, barrels);
  match.expect(reminds<&Match::end>("end", Match::kLasts));
  const auto level = match.expect(calls<&Player::enter_level>("Player/Bob"));
  match.pass(Match::kLasts);

  CHECK_THROWS_WITH(match.call<&Match::shoot>(bob, barrels).result(), "no round is on");
  level.fail(std::runtime_error("no round is on"));
  match.expect(calls<&Player::keep_score>("Player/Bob")).answer();
  CHECK(play.result() == 0);
}

TEST_CASE("match: ends when its time is up, though a crash has cut it short and nobody plays it anew") {
  Node node;
  auto match = node.get<Match>("opening");
  const std::vector barrels{node.get<Barrel>(0), node.get<Barrel>(1)};
  CHECK_THROWS_AS(node.call(match.with(10ms)->play(node.get<Player>("Bob"), barrels)), epic::Timeout);

  node.crash();
  CHECK(node.call(match->get_result()) == std::nullopt);
  node.pass(Match::kLasts);
  CHECK(node.call(match->get_result()) == 0);
  CHECK(node.call(match->play(node.get<Player>("Ada"), barrels)) == 0);
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
