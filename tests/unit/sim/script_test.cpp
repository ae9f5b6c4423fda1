#include "epic/script.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "kernel/placement_hash.hpp"

namespace scripted {

using epic::Ref;
using epic::Task;

class Barrel : public epic::Entity {
 public:
  Task<bool> on_hit(std::string by, std::int64_t force) { co_return !by.empty() && force > 0; }
  Task<void> roll() { co_return; }
  Task<std::expected<void, std::string>> fill(std::int64_t litres) const {
    if (litres > 40) co_return std::unexpected("too small");
    co_return {};
  }
  Task<std::pair<std::int64_t, std::string>> measure() const { co_return {40, "litres"}; }
  EPIC_ENTITY(Barrel, methods(on_hit, roll, fill, measure))
};

class Player : public epic::Entity {
  std::int64_t score = 0;
  std::string last;

 public:
  Task<std::int64_t> shoot(Ref<Barrel> barrel) {
    if (co_await barrel->on_hit(std::string(key()), 3)) ++score;
    epic::log::info("score {}", score);
    co_return score;
  }
  Task<std::int64_t> shoot_all(std::vector<Ref<Barrel>> barrels) {
    std::vector<epic::Call<bool>> shots;
    for (const auto& barrel : barrels) shots.push_back(barrel->on_hit(std::string(key()), 1));
    for (const bool has_fallen : co_await epic::gather(std::move(shots))) score += has_fallen ? 1 : 0;
    co_return score;
  }
  Task<void> kick(Ref<Barrel> barrel) {
    try {
      co_await barrel->roll();
      last = "rolled";
    } catch (const std::out_of_range& error) {
      last = error.what();
    } catch (const epic::NodeLost&) {
      last = "lost";
    }
  }
  Task<void> cheer(Ref<Player> friend_of_mine) { co_await friend_of_mine->nap(); }
  Task<void> nap() {
    co_await epic::sleep(std::chrono::seconds(1));
    co_await epic::sleep(std::chrono::milliseconds(20));
  }
  Task<std::string> read(std::string path) {
    try {
      last = co_await epic::blocking([path] { return "the text of " + path; });
    } catch (const std::runtime_error& error) {
      last = error.what();
    }
    co_await epic::blocking_pure([] {});
    co_return last;
  }
  Task<std::int64_t> count_players(std::string prefix) const {
    std::int64_t count = 0;
    epic::ListPage page;
    do {
      page = co_await epic::list<Player>(prefix, {.after = page.next, .limit = 10});
      count += static_cast<std::int64_t>(page.keys.size());
    } while (!page.next.empty());
    co_return count;
  }
  Task<std::string> keep_diary(std::string page) {
    std::string former;
    try {
      former = co_await epic::read_file("diary");
    } catch (const std::filesystem::filesystem_error& error) {
      former = error.code().message() + "\n";
    }
    co_await epic::write_file("diary", former + page);
    co_await epic::append_file("log", page);
    co_return co_await epic::remove_file("draft") ? former : "no draft";
  }
  Task<void> read_for_a_while() {
    auto reading = epic::spawn(epic::blocking([] { return 1; }));
    co_await epic::sleep(std::chrono::seconds(1));
    reading.cancel();
  }
  Task<void> fall() const {
    throw std::range_error("down");
    co_return;
  }
  EPIC_ENTITY(Player, state(score, last),
              methods(count_players, shoot, shoot_all, cheer, nap, read, keep_diary, read_for_a_while, fall),
              exclusive(kick))
};

/// Ticks, waits for its own calls, and cancels.
class Referee : public epic::Entity {
  std::int64_t seconds = 0;
  std::int64_t warnings = 0;
  epic::Event whistle;

 public:
  Task<> on_activate() override {
    epic::every(std::chrono::seconds(1), &Referee::count);
    epic::after(std::chrono::milliseconds(2500), &Referee::warn, 2);
    co_return;
  }
  Task<> count() {
    if (++seconds == 5) whistle.set();
    co_return;
  }
  Task<> warn(std::int64_t times) {
    warnings += times;
    co_return;
  }
  Task<std::int64_t> watch() {
    co_await whistle.wait();
    co_return seconds;
  }
  Task<std::string> roll_at_most(std::chrono::milliseconds limit, Ref<Barrel> barrel) {
    auto rolled = epic::spawn(barrel->roll());
    co_await epic::sleep(limit);
    rolled.cancel();
    try {
      co_await rolled;
    } catch (const epic::Cancelled&) {
      co_return "too slow";
    }
    co_return "in time";
  }
  EPIC_ENTITY(Referee, state(seconds, warnings), methods(count, warn, watch, roll_at_most))
};

/// Has reminders.
class Innkeeper : public epic::Entity {
  std::int64_t closed = 0;
  std::int64_t missed = 0;

 public:
  Task<> on_activate() override {
    epic::remind("dust", std::chrono::hours(24), std::chrono::hours(24), &Innkeeper::dust, Ref<Barrel>(3));
    co_return;
  }
  Task<> open(std::string song) {
    epic::remind("last orders", std::chrono::hours(2), &Innkeeper::close, std::move(song));
    co_return;
  }
  Task<> stay_open() {
    epic::forget("last orders");
    co_return;
  }
  Task<> close(std::string song) {
    ++closed;
    epic::log::info("singing {}", song);
    co_return;
  }
  Task<> dust(Ref<Barrel> barrel) {
    missed += static_cast<std::int64_t>(epic::missed());
    co_await barrel->roll();
  }
  EPIC_ENTITY(Innkeeper, state(closed, missed), methods(open, stay_open, close, dust))
};

const epic::ModuleInfo& the_module() {
  static const epic::EntityInfoFn entities[] = {&Barrel::epic_info, &Player::epic_info, &Referee::epic_info,
                                                &Innkeeper::epic_info};
  static const epic::ModuleInfo info{EPIC_ABI_TAG, entities, &epic::no_setup};
  return info;
}

}  // namespace scripted

using namespace std::chrono_literals;
using Catch::Contains;
using epic::testing::appends;
using epic::testing::blocks;
using epic::testing::calls;
using epic::testing::forgets;
using epic::testing::lists;
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
using scripted::Player;
using scripted::Referee;

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
    if (const epic::Ref<Barrel> barrel(i);
        epic::kernel::shard_of(barrel.name(), kShards) != epic::kernel::shard_of("Player/Bob", kShards))
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
  const auto shard = epic::kernel::shard_of("Player/Bob", 4096);
  int twin = 0;
  while (epic::kernel::shard_of("Player", std::to_string(twin), 4096) != shard) ++twin;
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
