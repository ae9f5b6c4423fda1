#include "kernel/calls/parked_frames.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;
using WaitsFor = epic::detail::WaitsFor;

namespace {

constexpr std::size_t kSleepers = 10;
constexpr std::int64_t kSecond = 1'000'000'000;

struct Wait : epic::detail::ParkedWait {
  [[nodiscard]] bool goes_on() const { return waiter.queue_place != 0; }
};

/// Frames of ten executions that sleep, each for a second longer than the one before.
struct ParkedFixture {
  Scheduler scheduler;
  ParkedFrames parked{scheduler};
  std::vector<RecordRef> executions;
  std::deque<Wait> waits;

  ParkedFixture() {
    for (std::size_t i = 0; i < kSleepers; ++i) add(WaitsFor::time, static_cast<std::int64_t>(i + 1) * kSecond);
  }
  ~ParkedFixture() {
    scheduler.queue.clear();
    for (Wait& wait : waits) wait.place = {};
  }
  Wait& add(WaitsFor what, std::int64_t until) {
    executions.emplace_back(Ref<Counter>("a")->touch().epic_take_record().detach());
    scheduler.current = executions.back().get();
    parked.add(waits.emplace_back(), what, until);
    return waits.back();
  }
  [[nodiscard]] std::size_t woken_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(waits, &Wait::goes_on));
  }
  [[nodiscard]] std::size_t cancelled_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(executions, [](const RecordRef& one) { return one->cancel == Record::Cancel::asked; }));
  }
};

}  // namespace

TEST_CASE("parked frames: sleepers go on in the order of their times, a bounded number in each tick", "[kernel]") {
  ParkedFixture f;
  CHECK(f.parked.next_timer_ns() == kSecond);
  f.scheduler.now_ns = 3 * kSecond;
  f.parked.on_time();
  CHECK(f.woken_count() == 3);
  for (std::size_t i = 0; i < 2 * limits::kWokenPerTick; ++i) f.add(WaitsFor::time, 0);
  f.parked.on_time();
  CHECK(f.woken_count() == 3 + limits::kWokenPerTick);
}

TEST_CASE("parked frames: what waits for something else has no time", "[kernel]") {
  ParkedFixture f;
  for (const WaitsFor what : {WaitsFor::event, WaitsFor::stopping, WaitsFor::commit}) {
    const Wait& wait = f.add(what, 5);
    f.scheduler.now_ns += kSecond;
    f.parked.on_time();
    CHECK_FALSE(wait.goes_on());
  }
  CHECK(f.woken_count() == 3);
}

TEST_CASE("parked frames: one that is forgotten does not wake", "[kernel]") {
  ParkedFixture f;
  Wait& wait = f.add(WaitsFor::time, 0);
  f.parked.forget(wait);
  CHECK(f.parked.next_timer_ns() == kSecond);
  wait.place = {};
}

TEST_CASE("parked frames: those that wait for a commit go on once it or a later one is durable", "[kernel]") {
  ParkedFixture f;
  const Wait& first = f.add(WaitsFor::commit, 7);
  const Wait& second = f.add(WaitsFor::commit, 8);
  const Wait& third = f.add(WaitsFor::commit, 9);
  CHECK(f.parked.list(WaitsFor::commit, 8) == std::vector<epic::detail::ParkedWait*>{&f.waits[kSleepers + 1]});
  f.parked.resume_until(WaitsFor::commit, 8, SIZE_MAX);
  CHECK(first.goes_on());
  CHECK(second.goes_on());
  CHECK_FALSE(third.goes_on());
  CHECK(f.woken_count() == 2);
}

TEST_CASE("parked frames: one goes on once, whatever wakes it", "[kernel]") {
  ParkedFixture f;
  Wait& wait = f.add(WaitsFor::event, 0);
  f.parked.resume(wait);
  const std::uint32_t place = wait.waiter.queue_place;
  CHECK(place != 0);
  f.parked.resume(wait);
  ParkedFrames::Place from{.until = INT64_MIN};
  std::size_t count = 100;
  CHECK(f.parked.cut_short(from, count, [&](const Record& one) { return &one == wait.waiter.execution; }));
  CHECK(wait.waiter.queue_place == place);
  CHECK(f.cancelled_count() == 0);
}

TEST_CASE(
    "parked frames: whatever they wait for, a bounded number is looked at, and those that are meant are cancelled",
    "[kernel]") {
  ParkedFixture f;
  for (const WaitsFor what : {WaitsFor::event, WaitsFor::stopping, WaitsFor::commit})
    for (int i = 0; i < 2; ++i) f.add(what, 3);
  ParkedFrames::Place place{.until = INT64_MIN};
  int looks = 0;
  const auto every_second = [&looks](const Record&) { return ++looks % 2 == 0; };
  std::size_t count = 6;
  CHECK_FALSE(f.parked.cut_short(place, count, every_second));
  CHECK(looks == 6);
  CHECK(f.cancelled_count() == 3);
  count = 6;
  CHECK_FALSE(f.parked.cut_short(place, count, every_second));
  CHECK(f.cancelled_count() == 6);
  count = 6;
  CHECK(f.parked.cut_short(place, count, every_second));
  CHECK(count == 2);
  CHECK(looks == 16);
  CHECK(f.cancelled_count() == 8);
  CHECK(f.woken_count() == 8);
}
