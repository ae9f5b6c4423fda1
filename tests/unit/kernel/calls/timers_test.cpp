#include "kernel/calls/timers.hpp"

#include <catch2/catch.hpp>

#include <deque>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;

namespace {

constexpr std::size_t kSleepers = 10;

/// Sleepers of one execution, each for a second longer than the one before.
struct TimersFixture {
  RecordRef execution_of_all{Ref<Counter>("a")->touch().epic_take_record().detach()};
  Scheduler scheduler;
  Timers timers{scheduler};
  std::deque<epic::detail::Waiter> waiters{kSleepers};

  TimersFixture() {
    scheduler.current = execution_of_all.get();
    for (std::size_t i = 0; i < kSleepers; ++i) sleep(static_cast<std::int64_t>(i + 1), waiters[i]);
  }
  ~TimersFixture() { scheduler.queue.clear(); }
  std::uint64_t sleep(std::int64_t seconds, epic::detail::Waiter& waiter) {
    return timers.start(seconds * 1'000'000'000, waiter);
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

TEST_CASE("timers: frames go on in the order of their times, a bounded number in each tick", "[kernel]") {
  TimersFixture f;
  CHECK(f.timers.next_timer_ns() == 1'000'000'000);
  f.scheduler.now_ns = 3'000'000'000;
  f.timers.on_time();
  CHECK(f.woken_count() == 3);
  for (std::size_t i = 0; i < 2 * limits::kWokenPerTick; ++i) f.sleep(0, f.waiters.emplace_back());
  f.timers.on_time();
  CHECK(f.woken_count() == 3 + limits::kWokenPerTick);
}

TEST_CASE("timers: a cancelled timer wakes nothing", "[kernel]") {
  TimersFixture f;
  epic::detail::Waiter waiter;
  const std::uint64_t timer = f.sleep(0, waiter);
  f.timers.cancel(timer, waiter);
  CHECK(f.timers.next_timer_ns() == 1'000'000'000);
}

TEST_CASE("timers: a bounded number of sleepers is looked at, and those that are meant wake with Cancelled",
          "[kernel]") {
  TimersFixture f;
  Timers::Place place{INT64_MIN, 0};
  int looks = 0;
  const auto every_second = [&looks](const Record&) { return ++looks % 2 == 0; };
  CHECK_FALSE(f.timers.cut_short(place, 4, every_second));
  CHECK(looks == 4);
  CHECK(f.cancelled_count() == 2);
  CHECK_FALSE(f.timers.cut_short(place, 4, every_second));
  CHECK(f.cancelled_count() == 4);
  CHECK(f.timers.cut_short(place, 4, every_second));
  CHECK(looks == kSleepers);
  CHECK(f.cancelled_count() == 5);
  f.scheduler.now_ns = 60'000'000'000;
  f.timers.on_time();
  CHECK(f.woken_count() == kSleepers);
  CHECK(f.cancelled_count() == 5);
}
