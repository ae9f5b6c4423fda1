#include "kernel/calls/reaper.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "unit/kernel/kernel_parts.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Caller;
using testing_entities::Counter;

namespace {

constexpr std::size_t kManyCalls = 3 * limits::kEndedPerTick;

/// Caller/b runs many calls, each of which waits for Counter/never.
struct ReaperFixture : testing_entities::KernelParts {
  std::vector<epic::detail::RecordPtr<epic::detail::ResultRecord<std::int64_t>>> running;

  ReaperFixture() {
    for (std::size_t i = 0; i < kManyCalls; ++i)
      running.push_back(begin(Ref<Caller>("b")->add_to(Ref<Counter>("never"), 1)));
    settle();
    holds_loads = true;
    settle();
    REQUIRE(find("Caller/b")->running == kManyCalls);
  }
  void discard_caller() {
    activations.discard(*find("Caller/b"), ErrorCode::node_lost, "for a test", Reported::to_callers);
  }
  [[nodiscard]] std::size_t ended_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(running, [](const auto& call) { return call->failure != nullptr; }));
  }
};

}  // namespace

TEST_CASE("reaper: a tick ends a bounded number of the executions of an instance that is not kept", "[kernel]") {
  ReaperFixture f;
  f.discard_caller();
  CHECK(f.ended_count() == limits::kEndedPerTick);
  CHECK(f.activations.next_timer_ns() == 0);
  const auto waiting = f.begin(Ref<Caller>("b")->sum({}));
  for (int i = 0; i < 3; ++i) f.activations.on_time();
  CHECK(f.ended_count() == kManyCalls);
  CHECK_THROWS_AS(f.running.back()->take(), NodeLost);
  f.holds_loads = false;
  f.settle();
  CHECK(waiting->take() == 0);
}

TEST_CASE("reaper: what is resumed of such an instance does not run, whether at once or by the run queue", "[kernel]") {
  ReaperFixture f;
  f.discard_caller();
  f.holds_loads = false;
  f.settle();  // Counter/never answers all calls
  CHECK(f.find("Counter/never")->calls_count == kManyCalls);
  CHECK(f.ended_count() == limits::kEndedPerTick);
  CHECK(std::ranges::none_of(f.running, [](const auto& call) { return call->outcome.value.has_value(); }));
  for (int i = 0; i < 3; ++i) f.activations.on_time();
  CHECK(f.ended_count() == kManyCalls);
  CHECK(f.find("Caller/b") == nullptr);
}

TEST_CASE("reaper: calls that have not started go on before those that came meanwhile", "[kernel]") {
  ReaperFixture f;
  const auto queued = f.begin(Ref<Caller>("b")->sum({}));
  REQUIRE(f.find("Caller/b")->queued == 1);
  f.discard_caller();
  const auto later = f.begin(Ref<Caller>("b")->sum({}));
  for (int i = 0; i < 3; ++i) f.activations.on_time();
  f.holds_loads = false;
  f.run();
  CHECK(queued->state == Record::State::loading);
  f.settle();
  CHECK(queued->take() == 0);
  CHECK(later->take() == 0);
}

TEST_CASE("reaper: several instances end in one look, and nothing is left of them at the end", "[kernel]") {
  ReaperFixture f;
  const auto other = f.begin(Ref<Caller>("c")->add_to(Ref<Counter>("never"), 1));
  f.holds_loads = false;
  f.settle();
  f.discard_caller();
  f.activations.discard(*f.find("Caller/c"), ErrorCode::node_lost, "for a test", Reported::to_callers);
  for (int i = 0; i < 6; ++i) f.activations.on_time();
  CHECK(f.find("Caller/b") == nullptr);
  CHECK(f.find("Caller/c") == nullptr);
  CHECK_FALSE(f.scheduler.reaping_count > 0);
}
