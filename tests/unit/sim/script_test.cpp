#include "epic/script.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "kernel/placement.hpp"
#include "unit/sim/scripted.hpp"

using namespace std::chrono_literals;
using Catch::Contains;
using epic::testing::appends;
using epic::testing::blocks;
using epic::testing::calls;
using epic::testing::delivers;
using epic::testing::forgets;
using epic::testing::lists;
using epic::testing::opens;
using epic::testing::reads;
using epic::testing::reminds;
using epic::testing::removes;
using epic::testing::Script;
using epic::testing::ScriptError;
using epic::testing::sleeps;
using epic::testing::ticks;
using epic::testing::writes;
using scripted::Barrel;
using scripted::Innkeeper;
using scripted::Painter;
using scripted::Player;
using scripted::Referee;
using scripted::Waiter;

namespace {

template <class T>
Script<T> script_of(std::string_view key) {
  return Script<T>(key, scripted::the_module());
}

}  // namespace

TEST_CASE("script: of a gather come as many calls as may be under way, and the next with each answer", "[sim]") {
  auto bob = script_of<Player>("Bob");
  constexpr std::uint32_t kShards = 1u << 12;  // of a script, whose entity has one to itself
  std::vector<epic::Ref<Barrel>> barrels;
  for (int i = 0; barrels.size() < 258; ++i)
    if (const epic::Ref<Barrel> barrel(i); epic::kernel::ungrouped(kShards).shard_of(barrel.name()) !=
                                           epic::kernel::ungrouped(kShards).shard_of("Player/Bob"))
      barrels.push_back(barrel);
  auto shots = bob.call<&Player::shoot_all>(barrels);
  const auto expect = [&](std::size_t i) { return bob.expect(calls<&Barrel::on_hit>(barrels.at(i).name())); };
  const auto first = expect(0);
  const auto second = expect(1);
  for (std::size_t i = 2; i < 256; ++i) expect(i).answer(true);
  expect(256).answer(true);
  const auto last = expect(257);
  CHECK_THROWS_WITH(expect(0), Contains("it does not call " + std::string(barrels[0].name()) + ".on_hit"));
  last.answer(false);
  second.answer(false);
  CHECK_FALSE(shots.has_ended());
  first.answer(true);
  CHECK(shots.result() == 256);
}

TEST_CASE("script: a result can be written in braces", "[sim]") {
  auto barrel = script_of<Barrel>("b");
  CHECK(barrel.call<&Barrel::fill>(40).result().has_value());
  CHECK(barrel.call<&Barrel::fill>(41).result() == std::unexpected("too small"));
  CHECK(barrel.call<&Barrel::measure>().result() == std::pair<std::int64_t, std::string>(40, "litres"));
}

TEST_CASE("script: what the entity calls is answered by the test, and decides its result, state and log", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto shot = bob.call<&Player::shoot>(epic::Ref<Barrel>(7));
  CHECK_FALSE(shot.has_ended());
  const auto hit = bob.expect(calls<&Barrel::on_hit>("Barrel/7"));
  CHECK(hit.argument<0>() == "Bob");
  CHECK(hit.argument<1>() == 3);
  hit.answer(true);
  CHECK(shot.result() == 1);
  CHECK(bob.state() == R"({"score":1,"last":""})");
  CHECK(bob.log() == std::vector<std::string>{"score 1"});
}

TEST_CASE("script: calls made together are answered in any order", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto shots = bob.call<&Player::shoot_all>(std::vector{epic::Ref<Barrel>(1), epic::Ref<Barrel>(2)});
  const auto first = bob.expect(calls<&Barrel::on_hit>("Barrel/1"));
  const auto second = bob.expect(calls<&Barrel::on_hit>("Barrel/2"));
  second.answer(true);
  CHECK_FALSE(shots.has_ended());
  first.answer(true);
  CHECK(shots.result() == 2);
}

TEST_CASE("script: a broadcast is as many calls, each answered by the test", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto rolled =
      bob.call<&Player::roll_all>(std::vector{epic::Ref<Barrel>(1), epic::Ref<Barrel>(2), epic::Ref<Barrel>(3)});
  bob.expect(calls<&Barrel::roll>("Barrel/1")).answer();
  bob.expect(calls<&Barrel::roll>("Barrel/2")).fail(std::out_of_range("too far"));
  CHECK_FALSE(rolled.has_ended());
  bob.expect(calls<&Barrel::roll>("Barrel/3")).answer();
  CHECK(rolled.result() == "2 rolled");
  CHECK(bob.state() == R"({"score":0,"last":"Barrel/2: too far"})");
}

TEST_CASE("script: a copy of an earlier answer is no token, until it is too old", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto first = bob.call<&Player::look_up>(epic::Ref<Barrel>(1));
  const auto asked = bob.expect(calls<&Barrel::measure>("Barrel/1"));
  auto meanwhile = bob.call<&Player::look_up>(epic::Ref<Barrel>(1));
  CHECK_FALSE(meanwhile.has_ended());
  asked.answer(std::pair(std::int64_t{40}, std::string("litres")));
  CHECK(first.result() == 40);
  CHECK(meanwhile.result() == 40);  // they have shared the call
  bob.pass(999ms);
  CHECK(bob.call<&Player::look_up>(epic::Ref<Barrel>(1)).result() == 40);
  bob.pass(1ms);
  auto later = bob.call<&Player::look_up>(epic::Ref<Barrel>(1));
  bob.expect(calls<&Barrel::measure>("Barrel/1")).answer(std::pair(std::int64_t{9}, std::string("gallons")));
  CHECK(later.result() == 9);
  CHECK(bob.state() == R"({"score":0,"last":"gallons"})");
}

TEST_CASE("script: a call of a local class is a token like any other, and such a class has scripts, too", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto painted = bob.call<&Player::have_painted>(epic::Ref<Barrel>(1));
  const auto asked = bob.expect(calls<&Painter::paint>("Painter/red"));
  CHECK(asked.argument<0>().name() == "Barrel/1");
  asked.answer("9 tins");
  CHECK(painted.result() == "9 tins");

  auto red = script_of<Painter>("red");
  for (const std::string tins : {"1 tins", "2 tins"}) {
    auto paint = red.call<&Painter::paint>(epic::Ref<Barrel>(1));
    red.expect(calls<&Barrel::on_hit>("Barrel/1")).answer(true);
    CHECK(paint.result() == tins);
  }
}

TEST_CASE("script: a call can fail like a method that throws, and like a node that dies", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto kicked = bob.call<&Player::kick>(epic::Ref<Barrel>(1));
  bob.expect(calls<&Barrel::roll>("Barrel/1")).fail(std::out_of_range("too far"));
  kicked.result();
  CHECK(bob.state() == R"({"score":0,"last":"too far"})");

  auto again = bob.call<&Player::kick>(epic::Ref<Barrel>(1));
  bob.expect(calls<&Barrel::roll>("Barrel/1")).fail(epic::NodeLost("its node has died"));
  again.result();
  CHECK(bob.state() == R"({"score":0,"last":"lost"})");

  auto fallen = bob.call<&Player::fall>();
  CHECK_THROWS_WITH(fallen.result(), "down");
}

TEST_CASE("script: a sleep takes as long as the test says", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto nap = bob.call<&Player::nap>();
  CHECK_THROWS_WITH(bob.expect(sleeps(2s)), Contains("it does not sleep for 2s; it sleeps for 1s"));
  bob.expect(sleeps(1s));
  bob.pass(19ms);
  CHECK_FALSE(nap.has_ended());
  bob.expect(sleeps(1ms));
  nap.result();
}

TEST_CASE("script: an exclusive method keeps the next call waiting", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto first = bob.call<&Player::kick>(epic::Ref<Barrel>(1));
  auto second = bob.call<&Player::kick>(epic::Ref<Barrel>(2));
  const auto roll = bob.expect(calls<&Barrel::roll>("Barrel/1"));
  CHECK_THROWS_WITH(bob.expect(calls<&Barrel::roll>("Barrel/2")), Contains("it does not call Barrel/2.roll"));
  roll.answer();
  CHECK(first.has_ended());
  bob.expect(calls<&Barrel::roll>("Barrel/2")).answer();
  CHECK(second.has_ended());
}

TEST_CASE("script: without an answer the deadline of the entity's own call ends it", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto shot = bob.call<&Player::shoot>(epic::Ref<Barrel>(7));
  const auto hit = bob.expect(calls<&Barrel::on_hit>("Barrel/7"));
  bob.pass(31s);
  CHECK_THROWS_AS(shot.result(), epic::Timeout);
  hit.answer(true);  // too late, and ignored
  CHECK(bob.state() == R"({"score":0,"last":""})");
}

TEST_CASE("script: an expectation that does not hold lists the tokens so far", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto shots = bob.call<&Player::shoot_all>(std::vector{epic::Ref<Barrel>(1), epic::Ref<Barrel>(2)});
  bob.expect(calls<&Barrel::on_hit>("Barrel/1")).answer(true);
  CHECK_THROWS_WITH(bob.expect(calls<&Barrel::roll>("Barrel/2")),
                    "the script of Player/Bob: it does not call Barrel/2.roll next\n"
                    "so far it\n"
                    "  1. calls Barrel/1.on_hit\n"
                    "  2. calls Barrel/2.on_hit   (not expected yet)");
  CHECK_THROWS_AS(shots.result(), ScriptError);
}

TEST_CASE("script: an entity that lives on the same node, by its {tag}, is not run silently", "[sim]") {
  auto player = script_of<Player>("{yard}1");
  CHECK_THROWS_WITH(player.call<&Player::cheer>(epic::Ref<Player>("{yard}2")),
                    Contains("Player/{yard}2 has the same {tag}"));
}

TEST_CASE("script: an entity that shares the shard by chance is not run silently", "[sim]") {
  const auto shard = epic::kernel::ungrouped(4096).shard_of("Player/Bob");
  int twin = 0;
  while (epic::kernel::ungrouped(4096).shard_of("Player", std::to_string(twin)) != shard) ++twin;
  auto player = script_of<Player>("Bob");
  CHECK_THROWS_WITH(player.call<&Player::cheer>(epic::Ref<Player>(twin)),
                    Contains("happens to share a shard with Player/Bob"));
}

TEST_CASE("script: ticks of the entity's timers come when they are due", "[sim]") {
  auto referee = script_of<Referee>("Howard");
  auto watch = referee.call<&Referee::watch>();
  CHECK_THROWS_WITH(referee.expect(ticks<&Referee::warn>(1s)),
                    Contains("no timer calls warn next in 1s; its next timer calls count in 1s"));
  CHECK_THROWS_WITH(referee.expect(ticks<&Referee::count>(2s)), Contains("no timer calls count next in 2s"));
  referee.expect(ticks<&Referee::count>(1s));
  referee.expect(ticks<&Referee::count>(1s));
  referee.expect(ticks<&Referee::warn>(500ms));
  CHECK(referee.state() == R"({"seconds":2,"warnings":2})");
  referee.pass(2s);
  CHECK_FALSE(watch.has_ended());
  referee.expect(ticks<&Referee::count>(500ms));
  CHECK(watch.result() == 5);
}

TEST_CASE("script: a call that the entity cancels", "[sim]") {
  auto referee = script_of<Referee>("Howard");
  auto late = referee.call<&Referee::roll_at_most>(200ms, epic::Ref<Barrel>(1));
  const auto roll = referee.expect(calls<&Barrel::roll>("Barrel/1"));
  CHECK_FALSE(roll.is_cancelled());
  referee.expect(sleeps(200ms));
  CHECK(roll.is_cancelled());
  roll.answer();  // too late
  CHECK(late.result() == "too slow");

  auto early = referee.call<&Referee::roll_at_most>(200ms, epic::Ref<Barrel>(2));
  referee.expect(calls<&Barrel::roll>("Barrel/2")).answer();
  referee.expect(sleeps(200ms));
  CHECK(early.result() == "in time");
}

TEST_CASE("script: reminders that the entity sets and forgets, and their calls when they are due", "[sim]") {
  auto keeper = script_of<Innkeeper>("Otto");
  keeper.call<&Innkeeper::open>("the last rose").result();
  CHECK_THROWS_WITH(keeper.expect(reminds<&Innkeeper::dust>("dust", 1h)),
                    Contains("it does not set the reminder 'dust', which calls dust in 3600s next"));
  CHECK(keeper.expect(reminds<&Innkeeper::dust>("dust", 24h, 24h)).argument<0>() == epic::Ref<Barrel>(3));
  CHECK(keeper.expect(reminds<&Innkeeper::close>("last orders", 2h)).argument<0>() == "the last rose");
  CHECK_THROWS_WITH(keeper.expect(reminds<&Innkeeper::dust>("dust", 24h, 24h)),
                    Contains("it does not set the reminder 'dust', which calls dust in 86400s and every 86400s"));
  keeper.pass(2h - 1s);
  CHECK(keeper.state() == R"({"closed":0,"missed":0})");
  keeper.pass(1s);
  CHECK(keeper.log() == std::vector<std::string>{"singing the last rose"});
  keeper.pass(22h);
  keeper.expect(calls<&Barrel::roll>("Barrel/3")).answer();
  keeper.pass(24h);
  keeper.expect(calls<&Barrel::roll>("Barrel/3")).answer();

  keeper.call<&Innkeeper::open>("again").result();
  keeper.expect(reminds<&Innkeeper::close>("last orders", 2h));
  CHECK_THROWS_WITH(keeper.expect(forgets("last orders")),
                    Contains("it does not forget the reminder 'last orders' next"));
  keeper.call<&Innkeeper::stay_open>().result();
  keeper.expect(forgets("last orders"));
  keeper.pass(3h);
  CHECK(keeper.state() == R"({"closed":1,"missed":0})");
}

TEST_CASE("script: calls that wait for a promise of the entity's own", "[sim]") {
  auto jeeves = script_of<Waiter>("Jeeves");
  auto one = jeeves.call<&Waiter::wait_for_order>();
  auto other = jeeves.call<&Waiter::wait_for_order>();
  CHECK_FALSE(one.has_ended());
  jeeves.call<&Waiter::take_order>("soup").result();
  CHECK(one.result() == "soup");
  CHECK(other.result() == "soup");
  CHECK(jeeves.call<&Waiter::wait_for_order>().result() == "soup");
  CHECK_THROWS_WITH(jeeves.call<&Waiter::take_order>("pie").result(), Contains("it has a result already"));

  auto bertie = script_of<Waiter>("Bertie");
  auto hungry = bertie.call<&Waiter::wait_for_order>();
  bertie.call<&Waiter::take_order>("").result();
  CHECK_THROWS_WITH(hungry.result(), Contains("the kitchen is closed"));
}

TEST_CASE("script: messages that the entity sends", "[sim]") {
  auto jeeves = script_of<Waiter>("Jeeves");
  jeeves.call<&Waiter::share>(epic::Ref<Waiter>("Bertie"), 5).result();
  jeeves.call<&Waiter::share>(epic::Ref<Waiter>("Jeeves"), 7).result();
  CHECK_THROWS_WITH(jeeves.expect(delivers<&Waiter::add_tip>("Waiter/Jeeves")),
                    Contains("it does not deliver Waiter/Jeeves.add_tip next"));
  CHECK(jeeves.expect(delivers<&Waiter::add_tip>("Waiter/Bertie")).argument<0>() == 5);
  CHECK(jeeves.expect(delivers<&Waiter::add_tip>("Waiter/Jeeves")).argument<0>() == 7);
  CHECK_THROWS_WITH(jeeves.expect(delivers<&Waiter::add_tip>("Waiter/Bertie")),
                    Contains("it does not deliver Waiter/Bertie.add_tip"));
  CHECK(jeeves.state() == R"({"tips":-12,"woken":"first"})");
}

TEST_CASE("script: the entity learns that it is to stop", "[sim]") {
  auto jeeves = script_of<Waiter>("Jeeves");
  auto serving = jeeves.call<&Waiter::serve>();
  auto staying = jeeves.call<&Waiter::stay>();
  jeeves.expect(sleeps(1min));
  jeeves.expect(sleeps(1min));
  CHECK_FALSE(staying.has_ended());
  jeeves.announce_stop();
  CHECK(staying.result() == "good night");
  CHECK_FALSE(serving.has_ended());
  jeeves.expect(sleeps(1min));
  CHECK(serving.result() == 3);
}

TEST_CASE("script: functions on other threads are run, answered or failed by the test", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto read = bob.call<&Player::read>("a.txt");
  CHECK_THROWS_WITH(bob.expect(blocks()),
                    Contains("it does not run a function on another thread that returns void next") &&
                        Contains("1. runs a function on another thread that returns std::string"));
  CHECK_THROWS_WITH(bob.expect(sleeps(1s)), Contains("it does not sleep for 1s next"));
  bob.expect(blocks<std::string>()).run();
  CHECK_FALSE(read.has_ended());
  bob.expect(blocks()).answer();
  CHECK(read.result() == "the text of a.txt");

  auto answered = bob.call<&Player::read>("b.txt");
  bob.expect(blocks<std::string>()).answer("something else");
  bob.expect(blocks()).run();
  CHECK(answered.result() == "something else");

  auto failed = bob.call<&Player::read>("c.txt");
  bob.expect(blocks<std::string>()).fail(std::runtime_error("no such file"));
  bob.expect(blocks()).run();
  CHECK(failed.result() == "no such file");
  CHECK_THROWS_WITH(bob.expect(blocks()), Contains("it does not run a function on another thread that returns void"));
}

TEST_CASE("script: a function that nobody waits for any longer", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto call = bob.call<&Player::read_for_a_while>();
  const auto reading = bob.expect(blocks<int>());
  CHECK_FALSE(reading.is_cancelled());
  bob.expect(sleeps(1s));
  CHECK(call.has_ended());
  bob.pass(1s);
  CHECK(reading.is_cancelled());
  reading.run();  // too late
}

TEST_CASE("script: requests for files are answered or failed by the test", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto kept = bob.call<&Player::keep_diary>("two");
  CHECK_THROWS_WITH(bob.expect(reads("diary.txt")),
                    Contains("it does not read diary.txt next") && Contains("1. reads diary"));
  CHECK_THROWS_WITH(bob.expect(writes("diary")), Contains("it does not write diary next"));
  CHECK_THROWS_WITH(bob.expect(blocks()), Contains("that returns void next"));
  bob.expect(reads("diary")).answer("one\n");
  const auto written = bob.expect(writes("diary"));
  CHECK(written.content() == "one\ntwo");
  written.answer();
  const auto appended = bob.expect(appends("log"));
  CHECK(appended.content() == "two");
  appended.answer();
  bob.expect(removes("draft")).answer();
  CHECK(kept.result() == "one\n");

  auto first = bob.call<&Player::keep_diary>("one");
  const auto no_file = std::make_error_code(std::errc::no_such_file_or_directory);
  bob.expect(reads("diary")).fail(std::filesystem::filesystem_error("cannot read file", "diary", no_file));
  bob.expect(writes("diary")).answer();
  bob.expect(appends("log")).answer();
  bob.expect(removes("draft")).answer_missing();
  CHECK(first.result() == "no draft");
  CHECK_THROWS_WITH(bob.expect(reads("diary")), Contains("it does not read diary"));
}

TEST_CASE("script: a file that is opened is in the test's memory", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto counted = bob.call<&Player::count_lines>("poem");
  CHECK_THROWS_WITH(bob.expect(opens("log")),
                    Contains("it does not open log to read next") && Contains("1. opens log to append"));
  const auto log = bob.expect(opens("log", epic::FileMode::append));
  CHECK_FALSE(log.is_open());
  log.answer("7\n");
  CHECK(log.is_open());
  CHECK_FALSE(counted.has_ended());
  bob.expect(opens("poem")).answer("one\n\ntwo\nthree");
  CHECK(counted.result() == 3);
  CHECK(log.content() == "7\n3\n");
  CHECK_FALSE(log.is_open());

  auto failed = bob.call<&Player::count_lines>("poem");
  const auto full = bob.expect(opens("log", epic::FileMode::append));
  full.answer();
  full.break_with(std::filesystem::filesystem_error("cannot write file", "log",
                                                    std::make_error_code(std::errc::no_space_on_device)));
  bob.expect(opens("poem")).answer("one");
  CHECK(failed.result() == 1);
  CHECK(full.content().empty());
  CHECK(bob.state().contains("No space left on device"));

  auto missing = bob.call<&Player::count_lines>("novel");
  bob.expect(opens("log", epic::FileMode::append)).answer();
  bob.expect(opens("novel")).fail(std::runtime_error("no such file"));
  CHECK_THROWS_WITH(missing.result(), Contains("no such file"));
}

TEST_CASE("script: pages of epic::list are answered by the test", "[sim]") {
  auto bob = script_of<Player>("Bob");
  auto counted = bob.call<&Player::count_players>("B");
  const auto first = bob.expect(lists<Player>("B"));
  CHECK(first.options().after.empty());
  CHECK(first.options().limit == 10);
  first.answer({.keys = {"Barney", "Bert"}, .next = "Bert"});
  const auto second = bob.expect(lists<Player>("B"));
  CHECK(second.options().after == "Bert");
  second.answer({.keys = {"Bob"}, .next = {}});
  CHECK(counted.result() == 3);

  auto failing = bob.call<&Player::count_players>("C");
  CHECK_THROWS_WITH(bob.expect(lists<Player>("D")), Contains("that begin with 'C', not with 'D'"));
}
