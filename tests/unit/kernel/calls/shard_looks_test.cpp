#include "kernel/calls/shard_looks.hpp"

#include <catch2/catch.hpp>

#include "unit/kernel/kernel_parts.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Caller;
using testing_entities::Counter;

namespace {

constexpr ShardId kOnly{0};

/// The shard is asked back while so many calls wait for Counter/never that a look takes several ticks.
struct ShardLooksFixture : testing_entities::KernelParts {
  static constexpr std::size_t kTicks = 3;

  explicit ShardLooksFixture(bool is_busy) {
    if (is_busy) keep_busy();
    holds_loads = true;
    for (std::size_t i = 0; i < (kTicks - 1) * limits::kLookSlice; ++i)
      begin(Ref<Counter>(is_busy ? "never" : "other")->add(1));
    routing.on_asked_back(kOnly, scheduler.now_ns, scheduler.now_ns, limits::kGrace.count());
  }
  /// How often the shard was looked at before it was opened again; 0: it was not.
  std::size_t ticks_until_open() {
    scheduler.now_ns += limits::kReleaseWindow.count();
    routing.on_time(scheduler.now_ns);
    for (std::size_t tick = 1; looks.next_timer_ns(); ++tick) {
      looks.on_time();
      if (!routing.is_closed(kOnly)) return tick;
    }
    return 0;
  }
};

}  // namespace

TEST_CASE("shard looks: what runs in a shard and waits for a call gets it opened again, however many calls there are",
          "[kernel]") {
  ShardLooksFixture f(/*is_busy=*/true);
  CHECK(f.ticks_until_open() == ShardLooksFixture::kTicks);
}

TEST_CASE("shard looks: calls that wait in a shard, where nothing runs, do not get it opened", "[kernel]") {
  ShardLooksFixture f(/*is_busy=*/false);
  CHECK(f.ticks_until_open() == 0);
  CHECK(f.routing.is_closed(kOnly));
}

TEST_CASE("shard looks: what runs too long is ended by slices, and what began later is left alone", "[kernel]") {
  testing_entities::KernelParts f;
  std::vector<epic::detail::RecordPtr<epic::detail::ResultRecord<std::int64_t>>> old;
  for (std::size_t i = 0; i < 2 * limits::kEndedPerTick; ++i)
    old.push_back(f.begin(Ref<Caller>("b")->add_to(Ref<Counter>("never"), 1)));
  f.settle();
  f.holds_loads = true;
  const std::int64_t until_ns = f.scheduler.now_ns;
  f.scheduler.now_ns += 1'000'000;
  const auto young = f.begin(Ref<Caller>("b")->add_to(Ref<Counter>("never"), 1));
  f.settle();
  f.looks.end_running(kOnly, {.calls_ns = until_ns});
  f.looks.on_time();
  const auto ended_count = [&] {
    return std::ranges::count_if(old, [](const auto& call) { return call->failure != nullptr; });
  };
  CHECK(ended_count() == limits::kEndedPerTick);
  while (f.looks.next_timer_ns()) f.looks.on_time();
  CHECK(ended_count() == 2 * limits::kEndedPerTick);
  CHECK_THROWS_WITH(old.back()->take(), Catch::Contains("Caller/b.add_to was interrupted: its shard is moving"));
  CHECK(young->failure == nullptr);
}
