// Reminders and Inbox together, on simulated nodes.

#include "kernel/mail/reminders.hpp"

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::SimFabric;

namespace {

/// 2023-11-14 22:13:20 UTC, when the simulated wall clock starts.
const auto kStart = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));

class Alarm : public Entity {
  std::vector<std::string> rung_;
  std::uint64_t missed_ = 0;
  std::string filling_;

 public:
  Task<void> on_activate() override {
    if (key().starts_with("daily")) remind("daily", kStart + 1h, 24h, &Alarm::ring, "good morning");
    if (key() == "daily, broken") throw std::runtime_error("broken");
    co_return;
  }
  Task<void> ring(std::string note) {
    if (note == "throw") throw std::out_of_range("no bell");
    rung_.push_back(note);
    missed_ += epic::missed();
    if (note == "long") {
      co_await epic::sleep(200ms);
      rung_.push_back("rung");
    }
    if (note == "once more") remind("again", 100ms, &Alarm::ring, "again");
    if (note == "no more") forget("bell");
    if (note == "wipe") erase();
    if (note == "fill") filling_.assign(kernel::limits::kStateBytesMax + 1, 'x');
  }
  Task<void> set(std::string name, std::int64_t in_ms, std::string note) {
    remind(name, std::chrono::milliseconds(in_ms), &Alarm::ring, note);
    co_return;
  }
  Task<void> set_every(std::string name, std::int64_t first_ms, std::int64_t every_ms, std::string note) {
    remind(name, std::chrono::milliseconds(first_ms), std::chrono::milliseconds(every_ms), &Alarm::ring, note);
    co_return;
  }
  Task<void> set_at(std::string name, std::int64_t at_ms, std::string note) {
    remind(name, kStart + std::chrono::milliseconds(at_ms), &Alarm::ring, note);
    co_return;
  }
  Task<void> set_many(std::int64_t count, std::int64_t in_ms) {
    for (std::int64_t i = 0; i < count; ++i)
      remind("n" + std::to_string(i), std::chrono::milliseconds(in_ms), &Alarm::ring, std::to_string(i));
    co_return;
  }
  Task<void> set_many_every(std::int64_t count, std::int64_t every_ms) {
    for (std::int64_t i = 0; i < count; ++i)
      remind("n" + std::to_string(i), std::chrono::milliseconds(1000 + i), std::chrono::milliseconds(every_ms),
             &Alarm::ring, std::to_string(i));
    co_return;
  }
  Task<void> set_and_overflow() {
    remind("never", 10ms, &Alarm::ring, "never");
    filling_.assign(kernel::limits::kStateBytesMax + 1, 'x');
    co_return;
  }
  Task<void> drop(std::string name) {
    forget(name);
    co_return;
  }
  Task<void> keep_busy(std::string then) {
    co_await epic::sleep(500ms);
    if (then == "forget") forget("bell");
    if (then == "replace") remind("bell", 1s, &Alarm::ring, "replaced");
    if (then == "erase") erase();
  }
  Task<void> set_in_vain() const {
    remind("bell", 1s, &Alarm::ring, "never");
    co_return;
  }
  Task<void> set_unlisted() {
    remind("bell", 1s, &Alarm::is_not_listed);
    co_return;
  }
  Task<void> is_not_listed() { co_return; }
  Task<void> wipe() {
    erase();
    co_return;
  }
  Task<std::vector<std::string>> rung() const { co_return rung_; }
  Task<std::uint64_t> missed_count() const { co_return missed_; }
  EPIC_ENTITY(Alarm, state(rung_, missed_, filling_),
              methods(set, set_every, set_at, set_many, set_many_every, set_and_overflow, drop, set_in_vain,
                      set_unlisted, wipe, rung, missed_count),
              exclusive(ring, keep_busy), renamed(toll, ring))
};

/// Has nothing to save.
class Ticker : public Entity {
 public:
  Task<void> tick() { co_return; }
  Task<void> set() {
    remind("tick", 1s, &Ticker::tick);
    co_return;
  }
  EPIC_ENTITY(Ticker, transient, methods(tick, set))
};

const ModuleInfo& alarms() {
  static const EntityInfoFn entities[] = {&Alarm::epic_info, &Ticker::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

using Notes = std::vector<std::string>;

struct RemindersFixture {
  RemindersFixture() { fabric.run_for(100ms); }
  codec::CapnpCodec codec;
  SimFabric fabric{{.seed = 17}, alarms(), codec};

  Notes rung(std::string_view key) { return fabric.call(1, Ref<Alarm>(key)->rung()); }
  std::uint64_t missed(std::string_view key) { return fabric.call(1, Ref<Alarm>(key)->missed_count()); }
  std::uint64_t left() { return *fabric.store().count_reminders(); }
  storage::MailCounts mail() { return *fabric.store().count_mail(); }
  std::vector<kernel::Reminder> list() {
    std::vector<kernel::Reminder> all;
    REQUIRE(fabric.store().list_reminders(
        {}, [&](const kernel::Reminder& one) { return all.push_back(one), storage::Visit::go_on; },
        [](const auto&) {}));
    return all;
  }
  std::vector<kernel::Mail> letters() {
    std::vector<kernel::Mail> all;
    REQUIRE(fabric.store().list_mail(
        {}, [&](const kernel::Mail& mail) { return all.push_back(mail), storage::Visit::go_on; }, [](const auto&) {}));
    return all;
  }
  /// How many times of its schedule are over.
  std::uint64_t over(const kernel::Reminder& one) {
    return static_cast<std::uint64_t>((one.due_ns - one.first_ns) / one.every_ns);
  }
};

}  // namespace

TEST_CASE("reminders: the next due time is on the grid and later than now, and those in between are counted",
          "[kernel]") {
  const auto next = [](std::int64_t due, std::int64_t every, std::int64_t now) {
    const kernel::NextDue found = kernel::next_due(due, every, now);
    return std::pair(found.due_ns.value_or(-1), found.missed);
  };
  using Pair = std::pair<std::int64_t, std::uint64_t>;
  CHECK(next(100, 0, 500) == Pair{-1, 0});
  CHECK(next(100, 10, 100) == Pair{110, 0});
  CHECK(next(100, 10, 109) == Pair{110, 0});
  CHECK(next(100, 10, 110) == Pair{120, 1});
  CHECK(next(100, 10, 139) == Pair{140, 3});
  CHECK(next(100, 10, 50) == Pair{110, 0});  // the clock was set back
  CHECK(next(100, INT64_MAX, 200) == Pair{INT64_MAX, 0});
  CHECK(next(INT64_MIN, 1, 0).second == static_cast<std::uint64_t>(INT64_MAX) + 1);

  CHECK(kernel::first_due(100, 10, 50) == 100);
  CHECK(kernel::first_due(100, 10, 100) == 100);
  CHECK(kernel::first_due(100, 10, 101) == 110);
  CHECK(kernel::first_due(100, 10, 110) == 120);
  CHECK(kernel::first_due(100, 0, 500) == 100);
}

TEST_CASE("reminders: one that is set once calls its method once, with its arguments, and is gone", "[kernel]") {
  RemindersFixture f;
  f.fabric.call(1, Ref<Alarm>("a")->set("bell", 1000, "ding"));
  f.fabric.call(1, Ref<Alarm>("a")->set_at("clock", 2000, "dong"));
  f.fabric.call(1, Ref<Alarm>("a")->set_at("past", -2000, "at once"));
  f.fabric.run_for(500ms);
  CHECK(f.rung("a") == Notes{"at once"});
  CHECK(f.left() == 2);
  f.fabric.run_for(10s);
  CHECK(f.rung("a") == Notes{"at once", "ding", "dong"});
  CHECK(f.missed("a") == 0);
  CHECK(f.left() == 0);
  CHECK(f.letters().empty());
}

TEST_CASE("reminders: one that recurs calls its method each time, wherever its entity is, until it is forgotten",
          "[kernel]") {
  RemindersFixture f;
  f.fabric.call(1, Ref<Alarm>("a")->set_every("bell", 1000, 1000, "ding"));
  f.fabric.run_for(2500ms);
  CHECK(f.rung("a") == Notes{"ding", "ding"});
  const std::uint16_t owner = f.fabric.owner_of("Alarm/a");
  f.fabric.move_shard(kernel::ungrouped(16).shard_of("Alarm/a"), owner % 3 + 1);
  f.fabric.run_for(1s);
  CHECK(f.fabric.owner_of("Alarm/a") != owner);
  CHECK(f.rung("a").size() == 3);
  f.fabric.kill(f.fabric.owner_of("Alarm/a"));
  f.fabric.run_for(1s);
  const std::uint16_t third = f.fabric.owner_of("Alarm/a");
  CHECK(f.fabric.call(third, Ref<Alarm>("a")->rung()).size() == 4);
  CHECK(f.over(f.list().at(0)) == 4);
  f.fabric.call(third, Ref<Alarm>("a")->drop("bell"));
  f.fabric.call(third, Ref<Alarm>("a")->drop("bell"));
  f.fabric.run_for(5s);
  CHECK(f.fabric.call(third, Ref<Alarm>("a")->rung()).size() == 4);
  CHECK(f.left() == 0);
}

TEST_CASE("reminders: what was missed while nothing ran is one call that knows the count, and the schedule goes on",
          "[kernel]") {
  RemindersFixture f;
  f.fabric.call(1, Ref<Alarm>("a")->set_every("bell", 1000, 1000, "ding"));
  f.fabric.run_for(1500ms);
  f.fabric.kill(2);
  f.fabric.kill(3);
  f.fabric.run_for(2s);
  const std::size_t before = f.rung("a").size();
  REQUIRE(before == 3);
  f.fabric.kill(1);
  f.fabric.run_for(7 * 24h);
  f.fabric.restart(1);
  f.fabric.run_for(200ms);
  CHECK(f.rung("a").size() == before + 1);
  CHECK(f.missed("a") >= 7 * 24 * 3600 - 2);
  f.fabric.run_for(3s);
  CHECK(f.rung("a").size() == before + 4);
  CHECK(f.over(f.list().at(0)) == f.rung("a").size() + f.missed("a"));
}

TEST_CASE("reminders: a turn and its reminders are durable together, or neither is", "[kernel]") {
  RemindersFixture f;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Alarm>("a")->set_and_overflow()), StateTooLarge);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Alarm>("daily, broken")->rung()), ActivationFailed);
  f.fabric.run_for(5s);
  CHECK(f.left() == 0);
  CHECK(f.rung("a").empty());

  f.fabric.hold_commits(true);
  const auto ended = f.fabric.start_call<void>(1, Ref<Alarm>("b")->set("bell", 100, "ding"), {});
  f.fabric.run_for(2s);  // it has rung in memory
  CHECK_FALSE(*ended);
  CHECK(f.left() == 0);
  const std::uint16_t owner = f.fabric.owner_of("Alarm/b");
  f.fabric.kill(owner);
  f.fabric.hold_commits(false);
  REQUIRE(f.fabric.run_until([&] { return *ended || owner == 1; }));
  f.fabric.run_for(5s);
  CHECK(f.fabric.call(owner % 3 + 1, Ref<Alarm>("b")->rung()).empty());
  CHECK(f.left() == 0);
}

TEST_CASE("reminders: one that was set by a former name of its method is the same one", "[kernel]") {
  RemindersFixture f;
  CHECK(f.rung("daily").empty());
  REQUIRE(f.left() == 1);
  kernel::Reminder former = f.list().at(0);
  former.method = "toll";
  const auto rows = *f.fabric.store().shards();
  const auto row = std::ranges::find(rows, former.shard, &storage::Store::ShardRow::shard);
  REQUIRE(row != rows.end());
  REQUIRE(f.fabric.store().commit({.number = {},
                                   .writer = row->incarnation,
                                   .epochs = {{former.shard, row->epoch}},
                                   .schemas = {},
                                   .operations = {kernel::SetReminder{former}}}));
  f.fabric.kill(2);
  f.fabric.kill(3);
  f.fabric.run_for(2s);
  f.fabric.kill(1);
  f.fabric.run_for(2h);
  f.fabric.restart(1);
  f.fabric.run_for(200ms);
  CHECK(f.rung("daily") == Notes{"good morning"});
  REQUIRE(f.left() == 1);
  CHECK(f.list().at(0).method == "toll");
  CHECK(f.over(f.list().at(0)) == 1);
}

TEST_CASE("reminders: an equal one that is set again keeps its schedule, and costs nothing", "[kernel]") {
  RemindersFixture f;
  CHECK(f.rung("daily").empty());
  REQUIRE(f.left() == 1);
  const kernel::Reminder first = f.list().at(0);
  CHECK(first.due_ns == first.first_ns);
  f.fabric.run_for(2h);  // it rings, and the entity is collected
  CHECK(f.rung("daily").size() == 1);
  REQUIRE(f.left() == 1);
  CHECK(f.over(f.list().at(0)) == 1);
  f.fabric.kill(f.fabric.owner_of("Alarm/daily"));  // its next activation sets it again
  f.fabric.run_for(1s);
  const std::uint16_t owner = f.fabric.owner_of("Alarm/daily");
  CHECK(f.fabric.call(owner, Ref<Alarm>("daily")->rung()).size() == 1);
  CHECK(f.over(f.list().at(0)) == 1);

  const Ref<Alarm> a("a");
  f.fabric.call(owner, a->set_every("bell", 1000, 10'000, "ding"));
  f.fabric.run_for(500ms);
  f.fabric.call(owner, a->set_every("bell", 1000, 10'000, "ding"));  // counts from now, and recurs: it stays
  f.fabric.run_for(600ms);
  CHECK(f.fabric.call(owner, a->rung()).size() == 1);
  f.fabric.call(owner, a->set_every("bell", 1000, 10'000, "dong"));
  f.fabric.run_for(1100ms);
  CHECK(f.fabric.call(owner, a->rung()) == Notes{"ding", "dong"});
}

TEST_CASE("reminders: one that counts from now counts anew when it is set again", "[kernel]") {
  RemindersFixture f;
  for (int i = 0; i < 5; ++i) {
    f.fabric.call(1, Ref<Alarm>("a")->set("bell", 1000, "ding"));
    f.fabric.run_for(700ms);
  }
  CHECK(f.rung("a").empty());
  f.fabric.run_for(700ms);
  CHECK(f.rung("a") == Notes{"ding"});
}

TEST_CASE("reminders: one that is due does not begin any more once it is forgotten, replaced or erased", "[kernel]") {
  RemindersFixture f;
  const std::string then = GENERATE(as<std::string>{}, "forget", "replace", "erase", "");
  INFO(then);
  f.fabric.call(1, Ref<Alarm>("a")->set("bell", 100, "ding"));
  f.fabric.call(1, Ref<Alarm>("a")->keep_busy(then));  // the call that is due waits for it to end
  f.fabric.run_for(100ms);
  CHECK(f.rung("a") == (then.empty() ? Notes{"ding"} : Notes{}));
  f.fabric.run_for(5s);
  CHECK(f.rung("a") == (then.empty() ? Notes{"ding"} : then == "replace" ? Notes{"replaced"} : Notes{}));
  CHECK(f.left() == 0);
  CHECK(f.letters().empty());
}

TEST_CASE("reminders: a call may set or forget reminders, its own too, and erase its entity", "[kernel]") {
  RemindersFixture f;
  f.fabric.call(1, Ref<Alarm>("a")->set_every("bell", 100, 100, "no more"));
  f.fabric.call(1, Ref<Alarm>("b")->set("again", 100, "once more"));
  f.fabric.call(1, Ref<Alarm>("c")->set_every("bell", 100, 100, "wipe"));
  f.fabric.call(1, Ref<Alarm>("c")->set("other", 1000, "ding"));
  f.fabric.run_for(5s);
  CHECK(f.rung("a") == Notes{"no more"});
  CHECK(f.rung("b") == Notes{"once more", "again"});
  CHECK(f.rung("c").size() <= 1);  // its instance may still be in memory
  CHECK(f.left() == 0);
  CHECK(f.letters().empty());
}

TEST_CASE("reminders: a call that throws, cannot be saved or is cut short is a dead letter, and the schedule goes on",
          "[kernel]") {
  RemindersFixture f;
  const auto [note, why] = GENERATE(table<std::string, std::string>(
      {{"throw", "no bell"}, {"fill", "too large"}, {"long", "its node ended while the method ran"}}));
  INFO(note);
  f.fabric.call(1, Ref<Alarm>("a")->set_every("bell", 1000, 60'000, note));
  if (note == "long") {
    REQUIRE(f.fabric.run_until([&] { return f.mail().begun == 1; }));
    f.fabric.kill(f.fabric.owner_of("Alarm/a"));
  }
  REQUIRE(f.fabric.run_until([&] { return f.mail().dead == 1; }));
  const kernel::Mail dead = f.letters().at(0);
  CHECK(dead.from == "Alarm/a");
  CHECK(dead.to == "Alarm/a");
  CHECK(dead.method == "ring");
  CHECK_THAT(dead.why, Catch::Contains(why));
  CHECK(f.over(f.list().at(0)) == 1);
  const std::uint16_t owner = f.fabric.owner_of("Alarm/a");
  if (note == "fill")  // no caller was told that the change is undone, so the next one is
    CHECK_THROWS_WITH(f.fabric.call(owner, Ref<Alarm>("a")->rung()), Catch::Contains("was refused and undone"));
  CHECK(f.fabric.call(owner, Ref<Alarm>("a")->rung()) == (note == "long" ? Notes{"long"} : Notes{}));
  f.fabric.run_for(61s);
  CHECK(f.over(f.list().at(0)) == 2);
  CHECK(f.mail().begun == 0);
  CHECK(f.mail().dead == (note == "long" ? 1U : 2U));
}

TEST_CASE("reminders: a wall clock that is set back repeats nothing, and one that is set forward loses nothing",
          "[kernel]") {
  RemindersFixture f;
  f.fabric.call(1, Ref<Alarm>("a")->set_every("bell", 1000, 1000, "ding"));
  f.fabric.run_for(2500ms);
  CHECK(f.rung("a").size() == 2);
  f.fabric.move_wall_clock(-10s);
  f.fabric.run_for(9s);
  CHECK(f.rung("a").size() == 2);
  f.fabric.run_for(2s);
  CHECK(f.rung("a").size() == 3);
  f.fabric.move_wall_clock(1h);
  f.fabric.run_for(1700ms);
  CHECK(f.rung("a").size() >= 4);
  CHECK(f.rung("a").size() <= 6);
  CHECK(f.missed("a") >= 3598);
  CHECK(f.over(f.list().at(0)) == f.rung("a").size() + f.missed("a"));
}

TEST_CASE("reminders: of many only the next few are in memory, and each rings once at its time", "[kernel]") {
  RemindersFixture f;
  constexpr int kEach = 300;
  for (int i = 0; i < 6; ++i) f.fabric.call(1, Ref<Alarm>(i)->set_many(kEach, 60'000 + i * 1000));
  CHECK(f.left() == 6 * kEach);
  const auto known = [&] {
    std::size_t count = 0;
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (f.fabric.is_alive(node)) count += f.fabric.kernel(node).reminders().known_count();
    return count;
  };
  CHECK(known() <= 16 * kernel::limits::kRemindersKnownMax);
  f.fabric.kill(3);
  f.fabric.run_for(1s);
  CHECK(known() > 0);
  CHECK(known() <= 16 * kernel::limits::kRemindersKnownMax);
  f.fabric.call(1, Ref<Alarm>("late comer")->set("bell", 1000, "ding"));  // before all of them
  f.fabric.run_for(2s);
  CHECK(f.rung("late comer") == Notes{"ding"});
  REQUIRE(f.fabric.run_until([&] { return f.left() == 0; }, 2min));
  for (int i = 0; i < 6; ++i) {
    Notes rung = f.fabric.call(1, Ref<Alarm>(i)->rung());
    CHECK(rung.size() == kEach);
    CHECK(std::set<std::string>(rung.begin(), rung.end()).size() == kEach);
  }
  CHECK(f.letters().empty());
}

TEST_CASE("reminders: those that recur and are due later do not keep others from being read", "[kernel]") {
  RemindersFixture f;
  constexpr std::size_t kCount = 3 * kernel::limits::kRemindersKnownMax;  // of one shard
  f.fabric.call(1, Ref<Alarm>("many")->set_many_every(kCount, 3'600'000));
  f.fabric.run_for(5s);
  const Notes rung = f.rung("many");
  CHECK(rung.size() == kCount);
  CHECK(std::set<std::string>(rung.begin(), rung.end()).size() == kCount);
  CHECK(f.letters().empty());
}

TEST_CASE("reminders: what cannot be a reminder is refused at once, with the reason", "[kernel]") {
  RemindersFixture f;
  const Ref<Alarm> a("a");
  CHECK_THROWS_WITH(f.fabric.call(1, a->set_in_vain()), Catch::Contains("const method"));
  CHECK_THROWS_WITH(f.fabric.call(1, a->set_unlisted()), Catch::Contains("listed in methods(...)"));
  CHECK_THROWS_WITH(f.fabric.call(1, Ref<Ticker>("t")->set()), Catch::Contains("Ticker has no saved state"));
  CHECK_THROWS_WITH(f.fabric.call(1, a->set("", 100, "x")), Catch::Contains("this one has 0"));
  CHECK_THROWS_WITH(f.fabric.call(1, a->set(std::string(257, 'x'), 100, "x")), Catch::Contains("1 to 256 bytes"));
  CHECK_THROWS_WITH(f.fabric.call(1, a->set_every("x", 100, 0, "x")), Catch::Contains("must be positive"));
  CHECK_THROWS_WITH(f.fabric.call(1, a->set("x", 100, std::string(65'537, 'x'))), Catch::Contains("65536 is the most"));
  CHECK(f.left() == 0);
}
