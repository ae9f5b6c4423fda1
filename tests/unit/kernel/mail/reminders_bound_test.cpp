// An entity has a bounded number of reminders, wherever their rows are.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "kernel/reminder_names.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::SimFabric;

namespace {

constexpr auto kMax = static_cast<std::int64_t>(kernel::limits::kRemindersOfEntityMax);
constexpr std::int64_t kHourMs = 3'600'000;

class Almanac : public Entity {
  std::int64_t rung_ = 0;

 public:
  Task<void> ring() {
    ++rung_;
    co_return;
  }
  Task<void> set(std::int64_t first, std::int64_t count, std::int64_t in_ms) {
    for (std::int64_t day = first; day < first + count; ++day)
      remind("day " + std::to_string(day), std::chrono::milliseconds(in_ms), &Almanac::ring);
    co_return;
  }
  Task<void> drop(std::int64_t day) {
    forget("day " + std::to_string(day));
    co_return;
  }
  Task<void> wipe_and_set() {
    erase();
    remind("day 1", 1h, &Almanac::ring);
    co_return;
  }
  Task<std::int64_t> rung() const { co_return rung_; }
  Task<bool> was_collected() const { co_return epic::activation_cause() == ActivationCause::collected; }
  EPIC_ENTITY(Almanac, state(rung_), methods(ring, set, drop, wipe_and_set, rung, was_collected))
};

const ModuleInfo& almanacs() {
  static const EntityInfoFn entities[] = {&Almanac::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct BoundFixture {
  BoundFixture() {
    fabric.run_for(100ms);
    fabric.call(1, full->set(0, kMax, kHourMs));
  }
  codec::CapnpCodec codec;
  SimFabric fabric{{.seed = 23, .idle_age = 1s}, almanacs(), codec};
  Ref<Almanac> full{"full"};

  std::int64_t left() { return static_cast<std::int64_t>(*fabric.store().count_reminders()); }
  void refuses(std::int64_t day) {
    CHECK_THROWS_AS(fabric.call(1, full->set(day, 1, kHourMs)), Overloaded);
    CHECK_THROWS_WITH(fabric.call(1, full->set(day, 1, kHourMs)),
                      Catch::Contains("the reminder 'day " + std::to_string(day) +
                                      "' was not set: Almanac/full has 10000 reminders") &&
                          Catch::Contains("epic::forget"));
  }
};

}  // namespace

TEST_CASE("reminders: an entity that has as many as it may sets no other, until one is gone", "[kernel]") {
  BoundFixture f;
  f.refuses(kMax);
  CHECK(f.left() == kMax);
  f.fabric.call(1, Ref<Almanac>("another")->set(0, 1, kHourMs));
  f.fabric.call(1, f.full->set(7, 1, 2 * kHourMs));  // takes the place of one
  CHECK(f.left() == kMax + 1);

  f.fabric.call(1, f.full->drop(7));
  f.fabric.call(1, f.full->drop(7));  // which makes room only once
  f.fabric.call(1, f.full->set(kMax, 1, 5'000));
  f.refuses(kMax + 1);
  f.fabric.run_for(6s);
  CHECK(f.fabric.call(1, f.full->rung()) == 1);  // so it is gone
  f.fabric.call(1, f.full->set(kMax + 1, 1, kHourMs));
  f.refuses(kMax + 2);
}

TEST_CASE("reminders: an entity that comes into memory again knows how many it has", "[kernel]") {
  BoundFixture f;
  f.fabric.run_for(10s);
  REQUIRE(f.fabric.call(1, f.full->was_collected()));
  f.refuses(kMax);
  f.fabric.call(1, f.full->set(9'000, 1, 2 * kHourMs));  // not one of those in memory
  f.fabric.kill(f.fabric.owner_of("Almanac/full") == 1 ? 2 : f.fabric.owner_of("Almanac/full"));
  f.fabric.run_for(1s);
  f.refuses(kMax);
  CHECK(f.left() == kMax);
}

TEST_CASE("reminders: an entity that is erased may set as many again", "[kernel]") {
  BoundFixture f;
  f.fabric.call(1, f.full->wipe_and_set());
  CHECK(f.left() == 1);
  f.fabric.call(1, f.full->set(1, kMax, kHourMs));
  CHECK(f.left() == kMax);
  f.refuses(kMax + 1);
}

TEST_CASE("reminder names: every change of an entity's reminders is noted", "[kernel]") {
  using kernel::ReminderName;
  kernel::ReminderNames names(std::vector<std::string>{"b", "a", "c"});
  CHECK(names.size() == 3);
  CHECK(names.contains("a"));
  CHECK_FALSE(names.contains("d"));
  const auto set = [&](std::string name) {
    kernel::SetReminder change;
    change.reminder.name.name = std::move(name);
    names.note(change);
  };
  const auto forget = [&](std::string name) {
    names.note(kernel::ForgetReminder{ReminderName{"Almanac", "x", std::move(name)}, {}});
  };
  const auto advance = [&](std::string name, std::optional<std::int64_t> next_ns) {
    names.note(kernel::AdvanceReminder{ReminderName{"Almanac", "x", std::move(name)}, {}, 1, next_ns});
  };
  set("a");
  set("d");
  CHECK(names.size() == 4);
  forget("b");
  forget("none");
  advance("c", 5);
  CHECK(names.size() == 3);
  advance("c", {});
  CHECK_FALSE(names.contains("c"));
  CHECK(names.size() == 2);
  names.clear();
  CHECK(names.empty());
}
