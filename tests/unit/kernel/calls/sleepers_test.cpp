#include "kernel/calls/sleepers.hpp"

#include <catch2/catch.hpp>

#include <deque>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;

namespace {

constexpr std::size_t kSleepers = 10;

/// Sleepers of one execution, each for a second longer than the one before.
struct SleepersFixture {
  RecordRef execution_of_all{Ref<Counter>("a")->touch().epic_take_record().detach()};
  Scheduler scheduler;
  Sleepers sleepers{scheduler};
  std::deque<epic::detail::Waiter> waiters{kSleepers};

  SleepersFixture() {
    scheduler.current = execution_of_all.get();
    for (std::size_t i = 0; i < kSleepers; ++i) sleep(static_cast<std::int64_t>(i + 1), waiters[i]);
  }
  ~SleepersFixture() { scheduler.queue.clear(); }
  std::uint64_t sleep(std::int64_t seconds, epic::detail::Waiter& waiter) {
    return sleepers.add(seconds * 1'000'000'000, waiter);
  }
  [[nodiscard]] std::size_t woken_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(waiters, [](const auto& one) { return one.queue_place != 0; }));
  }
  [[nodiscard]] std::size_t cancelled_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(waiters, [](const auto& one) { return one.is_cancelled; }));
  }
};

}  // namespace

TEST_CASE("sleepers: frames go on in the order of their times, a bounded number in each tick", "[kernel]") {
  SleepersFixture f;
  CHECK(f.sleepers.next_timer_ns() == 1'000'000'000);
  f.scheduler.now_ns = 3'000'000'000;
  f.sleepers.on_time();
  CHECK(f.woken_count() == 3);
  for (std::size_t i = 0; i < 2 * limits::kWokenPerTick; ++i) f.sleep(0, f.waiters.emplace_back());
  f.sleepers.on_time();
  CHECK(f.woken_count() == 3 + limits::kWokenPerTick);
}

TEST_CASE("sleepers: one that is forgotten does not wake", "[kernel]") {
  SleepersFixture f;
  epic::detail::Waiter waiter;
  const std::uint64_t number = f.sleep(0, waiter);
  f.sleepers.forget(number, waiter);
  CHECK(f.sleepers.next_timer_ns() == 1'000'000'000);
}

TEST_CASE("sleepers: a bounded number of sleepers is looked at, and those that are meant wake with Cancelled",
          "[kernel]") {
  SleepersFixture f;
  Sleepers::Place place{INT64_MIN, 0};
  int looks = 0;
  const auto every_second = [&looks](const Record&) { return ++looks % 2 == 0; };
  std::size_t count = 4;
  CHECK_FALSE(f.sleepers.cut_short(place, count, every_second));
  CHECK(looks == 4);
  CHECK(f.cancelled_count() == 2);
  count = 4;
  CHECK_FALSE(f.sleepers.cut_short(place, count, every_second));
  CHECK(f.cancelled_count() == 4);
  count = 4;
  CHECK(f.sleepers.cut_short(place, count, every_second));
  CHECK(count == 2);
  CHECK(looks == kSleepers);
  CHECK(f.cancelled_count() == 5);
  f.scheduler.now_ns = 60'000'000'000;
  f.sleepers.on_time();
  CHECK(f.woken_count() == kSleepers);
  CHECK(f.cancelled_count() == 5);
}
