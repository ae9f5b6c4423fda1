#include "kernel/activations/wait_ends.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "unit/kernel/kernel_parts.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Blob;
using testing_entities::Counter;

namespace {

constexpr std::size_t kMany = 3 * limits::kEnteredPerTick;

struct WaitEndsFixture : testing_entities::KernelParts {
  std::vector<epic::detail::RecordPtr<epic::detail::ResultRecord<std::int64_t>>> waiting;
  std::vector<std::uint64_t> elsewhere;  // calls that have left for another node
  bool is_ours = true;

  /// Counter/a is being loaded, and many calls wait for it.
  WaitEndsFixture() {
    for (std::size_t i = 0; i < kMany; ++i) waiting.push_back(begin(Ref<Counter>("a")->add(1)));
    REQUIRE(find("Counter/a")->waiting_count() == kMany);
  }
  void leave(RecordRef call, const TypeEntry& type, const Record* maker) override {
    if (is_ours) return KernelParts::leave(std::move(call), type, maker);
    elsewhere.push_back(call->sequence);
  }
  void load() {
    for (const ActivationId id : std::exchange(world.loads, {})) activations.on_loaded(id, LoadedState{});
  }
  void tick() { activations.on_time(); }
  /// Their results tell in which order they ran.
  void check_order() {
    for (std::size_t i = 0; i < waiting.size(); ++i) REQUIRE(waiting[i]->take() == static_cast<std::int64_t>(i + 1));
  }
};

}  // namespace

TEST_CASE("wait ends: a tick lets a bounded number of calls into an entity that has become active", "[kernel]") {
  WaitEndsFixture f;
  f.load();
  CHECK(f.find("Counter/a")->queued == limits::kEnteredPerTick);
  CHECK(f.activations.next_timer_ns() == 0);
  f.tick();
  CHECK(f.find("Counter/a")->queued == 2 * limits::kEnteredPerTick);
  for (int i = 0; i < 2; ++i) f.tick();
  CHECK(f.find("Counter/a")->queued == kMany);
  CHECK(f.activations.next_timer_ns() != 0);
  f.run();
  f.check_order();
}

TEST_CASE("wait ends: a call that comes while others still wait enters after them", "[kernel]") {
  WaitEndsFixture f;
  f.load();
  f.run();
  f.waiting.push_back(f.begin(Ref<Counter>("a")->add(1)));
  f.run();
  CHECK_FALSE(f.waiting.back()->outcome.value.has_value());
  for (int i = 0; i < 4; ++i) f.tick();
  f.run();
  f.check_order();
}

TEST_CASE("wait ends: several entities have their turns", "[kernel]") {
  WaitEndsFixture f;
  const auto other = f.begin(Ref<Counter>("b")->add(1));
  f.load();
  f.tick();
  f.run();
  CHECK(other->take() == 1);
}

TEST_CASE("wait ends: a tick fails a bounded number of the calls to an entity that cannot be activated", "[kernel]") {
  testing_entities::KernelParts f;
  std::vector<RecordRef> waiting;
  for (std::size_t i = 0; i < 2 * limits::kEndedPerTick; ++i)
    waiting.emplace_back(f.begin(Ref<Blob>("broken")->size()).detach());
  const auto failed_count = [&] {
    return static_cast<std::size_t>(
        std::ranges::count_if(waiting, [](const auto& call) { return call->failure != nullptr; }));
  };
  f.settle();
  CHECK(failed_count() == limits::kEndedPerTick);
  CHECK(f.find("Blob/broken") == nullptr);
  CHECK(f.activations.next_timer_ns() == 0);
  f.activations.on_time();
  CHECK(failed_count() == 2 * limits::kEndedPerTick);
  CHECK_THROWS_AS(std::rethrow_exception(waiting.back()->failure), ActivationFailed);
}

TEST_CASE("wait ends: an entity that has gone keeps its line until a bounded number in each tick has been routed",
          "[kernel]") {
  WaitEndsFixture f;
  f.is_ours = false;
  f.activations.on_lost(ShardId{0});
  REQUIRE(f.find("Counter/a") != nullptr);
  CHECK(f.find("Counter/a")->state == Activation::State::gone);
  CHECK(f.elsewhere.size() == limits::kEnteredPerTick / 4);
  f.load();  // too late
  f.waiting.push_back(f.begin(Ref<Counter>("a")->add(1)));
  for (std::size_t ticks = 0; f.find("Counter/a") != nullptr; ++ticks) {
    REQUIRE(ticks < 20);
    const std::size_t before = f.elsewhere.size();
    f.tick();
    CHECK(f.elsewhere.size() <= before + limits::kEnteredPerTick / 4);
  }
  REQUIRE(f.elsewhere.size() == kMany + 1);
  CHECK(std::ranges::is_sorted(f.elsewhere));
}

TEST_CASE("wait ends: calls keep their order when their entity comes back into memory", "[kernel]") {
  WaitEndsFixture f;
  f.activations.discard(*f.find("Counter/a"), ErrorCode::node_lost, "for a test", Reported::to_callers);
  REQUIRE(f.find("Counter/a") != nullptr);
  CHECK(f.find("Counter/a")->state == Activation::State::loading);
  CHECK(f.find("Counter/a")->waiting_count() == kMany);
  f.waiting.push_back(f.begin(Ref<Counter>("a")->add(1)));
  f.load();
  for (int i = 0; i < 4; ++i) f.tick();
  f.run();
  f.check_order();
}

TEST_CASE("wait ends: one that has gone comes back while it is being emptied", "[kernel]") {
  WaitEndsFixture f;
  f.is_ours = false;
  f.activations.on_lost(ShardId{0});
  const std::size_t gone = f.elsewhere.size();
  f.is_ours = true;
  f.tick();
  CHECK(f.find("Counter/a")->state == Activation::State::loading);
  CHECK(f.find("Counter/a")->waiting_count() == kMany - gone);
  f.load();
  for (int i = 0; i < 4; ++i) f.tick();
  f.run();
  f.waiting.erase(f.waiting.begin(), f.waiting.begin() + static_cast<std::ptrdiff_t>(gone));
  f.check_order();
}
