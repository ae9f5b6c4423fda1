// Timers, events, promises, causes and cancelled calls on simulated nodes that crash, pause and lose each other.

#include <epic/sim.hpp>

#include <catch2/catch.hpp>

#include "cluster/sim/user_fabric.hpp"
#include "support/sanitizers.hpp"

namespace epic::test {
namespace {

using namespace std::chrono_literals;
using epic::sim::Fabric;

constexpr int kClocks = 8;

class SimClock : public Entity {
  std::int64_t ticks_ = 0;
  std::int64_t overlaps_ = 0;
  std::int64_t activations_ = 0;
  std::int64_t wrong_causes_ = 0;
  bool is_ticking_ = false;
  std::chrono::system_clock::time_point last_;
  Event next_;
  Promise<std::int64_t> first_;  // the ticks with the first of this activation

  /// Has a wait in it, so the next one may be due meanwhile.
  Task<> tick() {
    if (std::exchange(is_ticking_, true)) ++overlaps_;
    ++ticks_;
    if (!first_.is_set()) first_.set_value(ticks_);
    next_.set();
    next_.reset();
    co_await epic::sleep(std::chrono::milliseconds(epic::random() % 150));
    is_ticking_ = false;
  }

 public:
  Task<> on_activate() override {
    const bool is_first = activation_cause() == ActivationCause::first;
    if (is_first != (activations_++ == 0)) ++wrong_causes_;
    every(100ms, &SimClock::tick);
    co_return;
  }
  Task<std::int64_t> wait_for_tick() {
    co_await next_.wait();
    co_return ticks_;
  }
  /// How many ticks there have been since the first of this activation, and with it.
  Task<std::int64_t> count_from_first() {
    const std::int64_t first = co_await first_;
    co_return ticks_ - first + 1;
  }
  Task<std::int64_t> ticks() const { co_return ticks_; }
  Task<std::int64_t> overlaps() const { co_return overlaps_; }
  Task<std::int64_t> wrong_causes() const { co_return wrong_causes_; }
  EPIC_ENTITY(SimClock, state(ticks_, overlaps_, activations_, wrong_causes_),
              methods(wait_for_tick, count_from_first, ticks, overlaps, wrong_causes))
};

class SimWorker : public Entity {
  std::int64_t running_ = 0;  // in this activation

 public:
  Task<> work() {
    struct Running {
      std::int64_t& count;
      explicit Running(std::int64_t& of) : count(++of) {}
      ~Running() { --count; }
    } const running(running_);
    co_await epic::sleep(1h);
  }
  Task<std::int64_t> running() const { co_return running_; }
  EPIC_ENTITY(SimWorker, transient, methods(work, running))
};

class SimBoss : public Entity {
 public:
  /// Lets it work for a while.
  Task<std::string> employ(Ref<SimWorker> worker, std::int64_t for_ms) {
    auto work = spawn(worker.with(1h)->work());
    co_await epic::sleep(std::chrono::milliseconds(for_ms));
    work.cancel();
    try {
      co_await work;
    } catch (const Error& error) {
      co_return std::string(to_string(error.code()));
    }
    co_return "it ended";
  }
  EPIC_ENTITY(SimBoss, transient, methods(employ))
};

const ModuleInfo& timed() {
  static const EntityInfoFn entities[] = {&SimClock::epic_info, &SimWorker::epic_info, &SimBoss::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

Task<> watch_clocks(Fabric& fabric, std::uint16_t client) {
  std::vector<std::int64_t> seen(kClocks);
  for (int i = 0; i < 40; ++i) {
    const auto number = static_cast<std::int64_t>(fabric.draw(kClocks));
    const Ref<SimClock> clock(number);
    try {
      const std::int64_t ticks = co_await fabric.call(clock->wait_for_tick(), client);
      fabric.require(clock, ticks > seen[static_cast<std::size_t>(number)], "it went back to {} ticks", ticks);
      seen[static_cast<std::size_t>(number)] = ticks;
      const std::int64_t counted = co_await fabric.call(clock->count_from_first(), client);
      fabric.require(clock, counted >= 1, "{} ticks since the first", counted);
    } catch (const Error&) {  // its node has died
    }
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(400)));
  }
}

Task<> employ_some(Fabric& fabric) {
  for (int i = 0; i < 40; ++i) {
    const Ref<SimWorker> worker(static_cast<std::int64_t>(fabric.draw(8)));
    try {
      const std::string outcome =
          co_await fabric.call(Ref<SimBoss>(static_cast<std::int64_t>(fabric.draw(8)))
                                   ->employ(worker, static_cast<std::int64_t>(fabric.draw(300))));
      fabric.require(worker, outcome != "it ended", "a call of an hour has ended");
    } catch (const Error&) {  // the employer's node has died
    }
  }
}

Task<> time_scenario(Fabric& fabric) {
  std::vector<Task<>> tasks;
  for (std::uint16_t client = 0; client < 2; ++client) tasks.push_back(watch_clocks(fabric, client));
  tasks.push_back(employ_some(fabric));
  co_await fabric.all(std::move(tasks));
  co_await fabric.settle();
  for (std::int64_t i = 0; i < kClocks; ++i) {
    const Ref<SimClock> clock(i);
    const std::int64_t before = co_await fabric.insist([&] { return clock->ticks(); });
    co_await fabric.sleep(2s);
    const std::int64_t after = co_await fabric.insist([&] { return clock->ticks(); });
    fabric.require(clock, after >= before + 8, "only {} ticks in two seconds", after - before);
    const std::int64_t overlaps = co_await fabric.insist([&] { return clock->overlaps(); });
    fabric.require(clock, overlaps == 0, "{} ticks began before the one before had ended", overlaps);
    const std::int64_t wrong = co_await fabric.insist([&] { return clock->wrong_causes(); });
    fabric.require(clock, wrong == 0, "{} activations were told to be the first and were not, or the reverse", wrong);
  }
  // What was cancelled has ended, but for calls whose employer has died with its node.
  for (std::int64_t i = 0; i < 8; ++i) {
    const Ref<SimWorker> worker(100 + i);
    for (int call = 0; call < 3; ++call) {
      const std::string outcome = co_await fabric.insist([&] { return Ref<SimBoss>(i)->employ(worker, 50); });
      fabric.require(worker, outcome == "cancelled", "a cancelled call ended with {}", outcome);
    }
    co_await fabric.sleep(100ms);
    const std::int64_t running = co_await fabric.insist([&] { return worker->running(); });
    fabric.require(worker, running == 0, "{} cancelled calls still run", running);
  }
}

}  // namespace

TEST_CASE("time: timers, events, promises and cancelled calls, under faults", "[sim]") {
  const epic::sim::detail::Scenario scenario{"time", {}, &time_scenario, &timed()};
  std::int64_t faults = 0;
  constexpr std::int64_t kSeeds = test::kIsSanitized ? 5 : 20;
  for (std::int64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto report = cluster::sim::run_seed(scenario, {.seed = seed, .faults = {}, .on_fault = {}});
    INFO("seed " << seed << ": " << report.failure);
    CHECK_FALSE(report.has_failed());
    faults += static_cast<std::int64_t>(report.faults.size());
  }
  CHECK(faults > kSeeds * 5 / 2);
}

}  // namespace epic::test
