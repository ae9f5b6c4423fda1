#include <catch2/catch.hpp>

#include "unit/kernel/kernel_parts.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Blob;
using testing_entities::Caller;
using testing_entities::Counter;

namespace {

using ActivationsFixture = testing_entities::KernelParts;

}  // namespace

TEST_CASE("activations: a call waits until its entity is loaded", "[kernel]") {
  ActivationsFixture f;
  const auto call = f.begin(Ref<Counter>("a")->add(5));
  f.begin(Ref<Counter>("a")->get());
  CHECK(f.world.loads.size() == 1);
  CHECK(f.find("Counter/a")->waiting_count() == 2);
  f.settle();
  CHECK(call->take() == 5);
  CHECK(f.find("Counter/a")->state == Activation::State::active);
}

TEST_CASE("activations: calls fail if the entity cannot be activated, and the next one tries again", "[kernel]") {
  ActivationsFixture f;
  const auto call = f.begin(Ref<Blob>("broken")->size());
  f.settle();
  CHECK_THROWS_AS(call->take(), ActivationFailed);
  CHECK(f.find("Blob/broken") == nullptr);
  f.begin(Ref<Blob>("broken")->size());
  CHECK(f.world.loads.size() == 1);
}

TEST_CASE("activations: an entity in quarantine is not activated until its time has come", "[kernel]") {
  ActivationsFixture f;
  f.admission.quarantined["Counter/a"] = {.deaths = 3, .until_ns = f.scheduler.now_ns + 9'500'000'000};
  const auto refused = f.begin(Ref<Counter>("a")->add(5));
  const auto other = f.begin(Ref<Counter>("b")->add(5));
  f.settle();
  CHECK(other->take() == 5);
  CHECK_THROWS_WITH(refused->take(), Catch::Contains("Counter/a is quarantined after 3 crashes; next attempt in 10 s"));
  CHECK(f.find("Counter/a") == nullptr);
  f.scheduler.now_ns += 9'500'000'000;
  const auto call = f.begin(Ref<Counter>("a")->add(5));
  f.settle();
  CHECK(call->take() == 5);
}

TEST_CASE("activations: one that is idle for long leaves memory", "[kernel]") {
  ActivationsFixture f({.idle_age_ns = 10'000'000'000});
  f.begin(Ref<Counter>("a")->add(5));
  f.settle();
  const std::uint64_t memory_bytes = f.activations.memory_bytes();
  CHECK(memory_bytes > 0);
  for (int i = 0; i < 15; ++i) {
    f.scheduler.now_ns += 1'000'000'000;
    f.activations.on_time();
    f.settle();
    if (i < 8) CHECK(f.find("Counter/a") != nullptr);
  }
  CHECK(f.find("Counter/a") == nullptr);
  CHECK(f.activations.memory_bytes() == 0);
}

TEST_CASE("activations: one with an unsaved change leaves memory when that is durable", "[kernel]") {
  ActivationsFixture f;
  f.begin(Ref<Counter>("a")->add(5));
  f.activations.on_loaded(f.world.loads.back(), LoadedState{});
  f.world.loads.clear();
  f.run();
  f.routing.on_asked_back(ShardId{0}, f.scheduler.now_ns, f.scheduler.now_ns, limits::kGrace.count());
  CHECK(f.find("Counter/a")->state == Activation::State::leaving);
  f.saving.seal();
  f.activations.sweep_new();
  CHECK(f.world.freed.empty());
  f.saving.on_committed(f.world.batches.front().number);
  CHECK(f.find("Counter/a") == nullptr);
  CHECK(f.world.freed == std::vector{ShardId{0}});
}

TEST_CASE("activations: a drain leaves what is saved and idle in memory, and waits for what runs", "[kernel]") {
  ActivationsFixture f;
  f.begin(Ref<Counter>("idle")->add(5));
  f.settle();
  f.keep_busy();
  f.admission.is_draining = true;
  f.activations.drain();
  CHECK(f.activations.to_stop_count() == 2);  // the second is being loaded
  f.ends.abort_all("the node stops");
  f.holds_loads = false;
  f.settle();
  CHECK(f.activations.to_stop_count() == 0);
  CHECK(f.find("Counter/idle") != nullptr);
  CHECK(f.find("Caller/b") == nullptr);
}

TEST_CASE("activations: one that is discarded takes its running calls with it, and those that wait go on", "[kernel]") {
  ActivationsFixture f;
  const auto running = f.keep_busy();
  const auto waiting = f.begin(Ref<Caller>("b")->sum({}));
  f.activations.discard(*f.find("Caller/b"), ErrorCode::node_lost, "for a test", Reported::to_callers);
  CHECK_THROWS_AS(running->take(), NodeLost);
  f.holds_loads = false;
  f.settle();
  CHECK(waiting->take() == 0);
}

TEST_CASE("activations: states from outside are bounded, also while the store takes long", "[kernel]") {
  ActivationsFixture f;
  std::size_t ended = 0;
  std::optional<ErrorPart> error;
  const auto replace = [&](std::size_t number) {
    const std::string key = std::to_string(number);
    f.activations.replace({"Counter", key, std::nullopt, std::nullopt}, [&](auto result) {
      ++ended;
      if (!result) error = result.error();
    });
  };
  for (std::size_t i = 0; i < limits::kReplacementsMax; ++i) replace(i);
  CHECK(ended == 0);
  f.scheduler.now_ns += std::chrono::nanoseconds(limits::kReplaceTimeout).count();
  f.activations.on_time();
  replace(limits::kReplacementsMax);
  CHECK(ended == 1);
  REQUIRE(error);
  CHECK(error->code == ErrorCode::overloaded);
  f.settle();
  replace(limits::kReplacementsMax);
  f.settle();
  CHECK(ended == limits::kReplacementsMax + 2);
}

TEST_CASE("activations: a state from outside waits for running calls, and is called off if they run on", "[kernel]") {
  ActivationsFixture f;
  f.keep_busy();
  std::optional<std::expected<Replaced, ErrorPart>> outcome;
  f.activations.replace({"Caller", "b", std::nullopt, std::nullopt}, [&](auto result) { outcome = std::move(result); });
  const auto call = f.begin(Ref<Caller>("b")->sum({}));
  f.settle();
  CHECK_FALSE(outcome);
  CHECK(call->state == Record::State::loading);
  f.scheduler.now_ns += std::chrono::nanoseconds(limits::kReplaceTimeout).count();
  f.activations.on_time();
  REQUIRE(outcome);
  CHECK(outcome->error().code == ErrorCode::timeout);
  f.settle();
  CHECK(call->take() == 0);
}

TEST_CASE("activations: each knows why it is one", "[kernel]") {
  ActivationsFixture f;
  std::uint64_t version = 1;
  const auto publish = [&](NodeId owner, std::vector<ShardId> orphaned) {
    const auto changes = f.routing.on_map({.version = MapVersion{++version},
                                           .owners = {owner},
                                           .members = {{f.kSelf.node, Incarnation{f.kSelf.life}, ""}},
                                           .moving = {},
                                           .owned_since = {},
                                           .orphaned = std::move(orphaned)});
    for (const ShardId shard : changes.lost) f.activations.on_lost(shard);
    f.settle();
    if (owner == f.kSelf.node) f.routing.on_taken(ShardId{0}, Epoch{version});
  };
  bool is_saved = false;
  const auto cause_of = [&](const auto& ref) {
    f.begin(ref->get());
    for (const ActivationId id : std::exchange(f.world.loads, {})) {
      LoadedState loaded{.version = Version{7}};
      const Activation& activation = *f.activations.table().find(id);
      if (is_saved) {
        const TypeEntry& type = *activation.type;
        Counter empty;
        std::vector<std::byte> bytes;
        f.codec.encode(type.info->state, type.info->object(&empty), bytes);
        loaded.saved = SavedState{.schema = type.schema.id(), .schema_text = type.schema.text(), .bytes = bytes};
      }
      f.activations.on_loaded(id, std::move(loaded));
    }
    f.settle();
    return f.find(ref.name())->cause;
  };
  const auto collect = [&](std::string_view name) {
    f.scheduler.now_ns += 7'200'000'000'000;
    f.activations.on_time();
    f.settle();
    f.scheduler.now_ns += 7'200'000'000'000;
    f.activations.on_time();
    f.settle();
    CHECK(f.find(name) == nullptr);
  };
  const Ref<Counter> counter("a");
  CHECK(cause_of(counter) == ActivationCause::first);
  collect("Counter/a");
  CHECK(cause_of(counter) == ActivationCause::collected);

  is_saved = true;
  publish(NodeId{2}, {});
  publish(f.kSelf.node, {});
  CHECK(cause_of(counter) == ActivationCause::moved);

  publish(NodeId{2}, {});
  publish(f.kSelf.node, {ShardId{0}});
  CHECK(cause_of(counter) == ActivationCause::crashed);
  collect("Counter/a");
  CHECK(cause_of(counter) == ActivationCause::collected);
  is_saved = false;
  CHECK(cause_of(Ref<Counter>("new")) == ActivationCause::first);

  f.activations.discard(*f.find("Counter/a"), ErrorCode::state_too_large, "too large", Reported::to_callers);
  f.settle();
  CHECK(cause_of(counter) == ActivationCause::crashed);
}
