#include "kernel/activations/collector.hpp"

#include <catch2/catch.hpp>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;

namespace {

struct CollectorFixture final : Collector::Listener {
  Clock clock;
  TypeTable types;
  ActivationTable table{1, 1};
  Collector collector;
  std::vector<std::pair<std::string, StopCause>> stopped;

  explicit CollectorFixture(Collector::Limits limits) : collector(limits, clock, table, *this) {
    REQUIRE(types.add(testing_entities::module()));
  }
  ~CollectorFixture() {
    for (std::size_t slot = 0; slot < table.slot_count(); ++slot)
      if (Activation* activation = table.at(slot)) activation->type->info->destroy(activation->entity);
  }
  bool is_leaving = true;
  [[nodiscard]] bool may_collect(const Activation& activation) const override { return activation.running == 0; }
  [[nodiscard]] bool is_any_leaving() const override { return is_leaving; }
  void stop(Activation& activation, StopCause cause) override {
    stopped.emplace_back(activation.name->text, cause);
    collector.remove(activation);
  }
  Activation& put(const std::string& name) {
    Activation& activation = table.add(epic::detail::parse_name(name), ShardId{0});
    activation.type = types.find("Counter");
    activation.entity = activation.type->info->create();
    activation.last_used_ns = clock.now_ns;
    collector.measure(activation);
    collector.add(activation);
    return activation;
  }
  void advance(std::int64_t seconds) {
    for (; seconds > 0; --seconds) {
      clock.now_ns += 1'000'000'000;
      collector.on_time();
    }
  }
};

}  // namespace

TEST_CASE("collector: stops what is idle, not what is used or runs", "[kernel]") {
  CollectorFixture f({.idle_age_ns = 8'000'000'000});
  f.put("Counter/idle");
  f.put("Counter/busy").running = 1;
  Activation& used = f.put("Counter/used");
  for (int i = 0; i < 20; ++i) {
    f.advance(1);
    used.last_used_ns = f.clock.now_ns;
  }
  CHECK(f.stopped == std::vector{std::pair(std::string("Counter/idle"), StopCause::idle)});
}

TEST_CASE("collector: over its memory budget it stops the least recently used", "[kernel]") {
  CollectorFixture f({.idle_age_ns = 1'000'000'000'000, .memory_bytes = 1});
  f.put("Counter/a");
  Activation& b = f.put("Counter/b");
  f.clock.now_ns = 500'000'000;
  b.last_used_ns = f.clock.now_ns;
  f.advance(1);
  REQUIRE_FALSE(f.stopped.empty());
  CHECK(f.stopped.front() == std::pair(std::string("Counter/a"), StopCause::memory));
}

TEST_CASE("collector: memory that it cannot count itself is measured, and as many go as would be enough", "[kernel]") {
  constexpr std::uint64_t kBudget = 1'000'000;
  CollectorFixture f({.idle_age_ns = 1'000'000'000'000, .memory_bytes = kBudget});
  for (int i = 0; i < 100; ++i) f.put("Counter/" + std::to_string(i));
  f.clock.now_ns = 500'000'000;
  f.collector.on_memory(kBudget);
  f.advance(2);
  CHECK(f.stopped.empty());

  f.collector.on_memory(kBudget + kBudget / 4);  // a fifth of what is in use is too much
  f.collector.on_time();
  CHECK(f.stopped.size() == 21);
  CHECK(f.stopped.front() == std::pair(std::string("Counter/0"), StopCause::memory));
  f.collector.on_time();  // nothing is known yet of what that has freed
  CHECK(f.stopped.size() == 21);

  f.clock.now_ns += limits::kCollectSettles.count();
  f.collector.on_memory(kBudget + 1);
  f.collector.on_time();
  CHECK(f.stopped.size() == 22);
  f.is_leaving = false;
  f.collector.on_memory(kBudget + 1);
  f.collector.on_time();
  CHECK(f.stopped.size() == 23);
  f.collector.on_memory(kBudget);
  f.advance(2);
  CHECK(f.stopped.size() == 23);
}
