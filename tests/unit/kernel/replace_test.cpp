// An entity's state is replaced from outside while the entity is stored, live, busy, moved or killed.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/kernel.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::kernel::ErrorPart;
using epic::kernel::Replaced;
using epic::test::SimFabric;
using epic::test::SimOptions;

namespace {

/// Its methods take a while, and can be called through another entity.
class Tally : public Entity {
  std::int64_t total_ = 0;
  std::string note_;

 public:
  Task<std::int64_t> add(std::int64_t amount, std::int64_t pause_ms) {
    const std::int64_t before = total_;
    if (pause_ms > 0) co_await sleep(std::chrono::milliseconds(pause_ms));
    co_return total_ = before + amount;
  }
  /// Waits, then calls itself, within its own chain.
  Task<std::int64_t> add_by_itself(std::int64_t amount, std::int64_t pause_ms) {
    co_await sleep(std::chrono::milliseconds(pause_ms));
    co_return co_await self()->add(amount, 0);
  }
  Task<void> write(std::uint64_t size) {
    note_.resize(size, 'x');
    co_await sleep(std::chrono::seconds(1));
  }
  Task<std::int64_t> total() const { co_return total_; }
  EPIC_ENTITY(Tally, state(total_, note_), methods(add, add_by_itself, write, total))
};

class Fleeting : public Entity {
  std::int64_t total_ = 0;

 public:
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Fleeting, state(total_), methods(touch), transient)
};

const ModuleInfo& tally_module() {
  static const EntityInfoFn entities[] = {&Tally::epic_info, &Fleeting::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct Outcome {
  bool is_ended = false;
  std::expected<Replaced, ErrorPart> result;
};

struct ReplaceFixture {
  explicit ReplaceFixture(SimOptions options = {.seed = 7}) : fabric(options, tally_module(), codec) {}

  [[nodiscard]] std::vector<std::byte> state_of(std::int64_t total) const {
    const auto& info = Tally::epic_info();
    Entity* tally = info.create();
    *static_cast<std::int64_t*>(info.state.fields[0].get(info.object(tally))) = total;
    std::vector<std::byte> bytes;
    codec.encode(info.state, info.object(tally), bytes);
    info.destroy(tally);
    return bytes;
  }
  /// Sends the request to the owner; without a total the entity is to start afresh.
  std::shared_ptr<Outcome> replace(const std::string& key, std::optional<std::int64_t> total,
                                   std::optional<kernel::Version> only_if = {}) {
    auto outcome = std::make_shared<Outcome>();  // shared with the callback, which may outlive the test's interest
    std::optional<std::vector<std::byte>> state;
    if (total) state = state_of(*total);
    fabric.kernel(fabric.owner_of("Tally/" + key))
        .replace({"Tally", key, std::move(state), only_if}, [outcome](std::expected<Replaced, ErrorPart> result) {
          outcome->is_ended = true;
          outcome->result = std::move(result);
        });
    return outcome;
  }
  Replaced must_replace(const std::string& key, std::optional<std::int64_t> total,
                        std::optional<kernel::Version> only_if = {}) {
    const auto outcome = replace(key, total, only_if);
    REQUIRE(fabric.run_until([&] { return outcome->is_ended; }, 30s));
    REQUIRE(outcome->result);
    return *outcome->result;
  }
  [[nodiscard]] std::int64_t total(const std::string& key) { return fabric.call(1, Ref<Tally>(key)->total()); }
  [[nodiscard]] std::optional<storage::Snapshot> stored(const std::string& key) {
    return *fabric.store().load("Tally", key);
  }

  codec::CapnpCodec codec;
  SimFabric fabric;
};

}  // namespace

TEST_CASE("replace: a state from outside is durable when it is told, with the next version", "[kernel]") {
  ReplaceFixture f;
  f.fabric.run_for(100ms);
  CHECK(f.must_replace("a", 40) == Replaced::done);
  CHECK(f.stored("a")->version == kernel::Version{1});
  CHECK(f.total("a") == 40);
  CHECK(f.must_replace("a", 41) == Replaced::done);
  CHECK(f.stored("a")->version == kernel::Version{2});
  CHECK(f.total("a") == 41);
}

TEST_CASE("replace: an entity whose own state is refused meanwhile is replaced", "[kernel]") {
  ReplaceFixture f;
  f.fabric.run_for(100ms);
  f.fabric.call(1, Ref<Tally>("a")->add(1, 0));
  const auto written = f.fabric.start_call<void>(f.fabric.owner_of("Tally/a"), Ref<Tally>("a")->write(9u << 20),
                                                 [](auto& record) { CHECK_THROWS_AS(record.take(), StateTooLarge); });
  CHECK(f.must_replace("a", 40) == Replaced::done);
  CHECK(*written);
  CHECK(f.total("a") == 40);
}

TEST_CASE("replace: it is told only when it is durable", "[kernel]") {
  ReplaceFixture f;
  f.fabric.run_for(100ms);
  f.fabric.hold_commits(true);
  const auto outcome = f.replace("a", 40);
  f.fabric.run_for(5s);
  CHECK_FALSE(outcome->is_ended);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return outcome->is_ended; }));
}

TEST_CASE("replace: what runs ends first and keeps its result, and what comes later finds the new state", "[kernel]") {
  ReplaceFixture f;
  f.fabric.call(1, Ref<Tally>("a")->add(1, 0));
  std::vector<std::int64_t> seen;
  f.fabric.start_call<std::int64_t>(1, Ref<Tally>("a")->add(1, 500), [&](auto& call) { seen.push_back(call.take()); });
  f.fabric.run_for(100ms);
  const auto outcome = f.replace("a", 100);
  for (int i = 0; i < 3; ++i)
    f.fabric.start_call<std::int64_t>(static_cast<std::uint16_t>(i + 1), Ref<Tally>("a")->add(1, 0),
                                      [&](auto& call) { seen.push_back(call.take()); });
  f.fabric.run_for(100ms);
  CHECK(seen.empty());
  CHECK_FALSE(outcome->is_ended);
  REQUIRE(f.fabric.run_until([&] { return seen.size() == 4; }, 20s));
  CHECK(outcome->is_ended);
  CHECK(seen == std::vector<std::int64_t>{2, 101, 102, 103});
}

TEST_CASE("replace: a call from inside its own chain goes on while others wait", "[kernel]") {
  ReplaceFixture f;
  std::int64_t by_itself = 0;
  f.fabric.start_call<std::int64_t>(1, Ref<Tally>("a")->add_by_itself(5, 200),
                                    [&](auto& call) { by_itself = call.take(); });
  f.fabric.run_for(100ms);
  CHECK(f.must_replace("a", 100) == Replaced::done);
  CHECK(by_itself == 5);
  CHECK(f.total("a") == 100);
}

TEST_CASE("replace: what runs too long is left alone, and goes on as it was", "[kernel]") {
  ReplaceFixture f;
  std::int64_t seen = 0;
  f.fabric.start_call<std::int64_t>(1, Ref<Tally>("a")->add(1, 20'000), [&](auto& call) { seen = call.take(); });
  f.fabric.run_for(100ms);
  const auto outcome = f.replace("a", 100);
  std::int64_t later = 0;
  f.fabric.start_call<std::int64_t>(2, Ref<Tally>("a")->add(10, 15'000), [&](auto& call) { later = call.take(); });
  REQUIRE(f.fabric.run_until([&] { return outcome->is_ended; }, 15s));
  REQUIRE_FALSE(outcome->result);
  CHECK(outcome->result.error().code == ErrorCode::timeout);
  REQUIRE(f.fabric.run_until([&] { return seen != 0 && later != 0; }, 60s));
  CHECK(seen == 1);
  CHECK(f.total("a") == 10);  // both started from nothing
}

TEST_CASE("replace: an equal state writes nothing", "[kernel]") {
  ReplaceFixture f;
  f.fabric.call(1, Ref<Tally>("a")->add(7, 0));
  const auto version = f.stored("a")->version;
  CHECK(f.must_replace("a", 7) == Replaced::equal);
  CHECK(f.stored("a")->version == version);
}

TEST_CASE("replace: without a state the entity starts anew", "[kernel]") {
  ReplaceFixture f;
  f.fabric.call(1, Ref<Tally>("a")->add(7, 0));
  CHECK(f.must_replace("a", std::nullopt) == Replaced::done);
  CHECK_FALSE(f.stored("a"));
  CHECK(f.total("a") == 0);
  CHECK(f.must_replace("b", std::nullopt) == Replaced::equal);
}

TEST_CASE("replace: with a version it happens to that version alone", "[kernel]") {
  ReplaceFixture f;
  f.fabric.call(1, Ref<Tally>("a")->add(7, 0));
  const auto version = f.stored("a")->version;
  f.fabric.call(1, Ref<Tally>("a")->add(1, 0));
  CHECK(f.must_replace("a", std::nullopt, version) == Replaced::passed_over);
  CHECK(f.total("a") == 8);
  CHECK(f.must_replace("a", std::nullopt, f.stored("a")->version) == Replaced::done);
  CHECK(f.total("a") == 0);
}

TEST_CASE("replace: a class that is not saved is refused", "[kernel]") {
  ReplaceFixture f;
  f.fabric.run_for(100ms);
  std::optional<ErrorCode> refused;
  f.fabric.kernel(f.fabric.owner_of("Fleeting/x")).replace({"Fleeting", "x", std::nullopt, {}}, [&](auto result) {
    refused = result.error().code;
  });
  CHECK(refused == ErrorCode::bad_arguments);
}

TEST_CASE("replace: every one ends while nodes die and shards move, and one that was told is never undone",
          "[kernel]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    ReplaceFixture f({.seed = seed});
    f.fabric.run_for(100ms);
    constexpr int kCount = 24;
    for (int i = 0; i < kCount; ++i) f.fabric.call(1, Ref<Tally>(i)->add(1, 0));
    int calls_left = 2 * kCount;
    for (int i = 0; i < 2 * kCount; ++i)
      f.fabric.start_call<std::int64_t>(1, Ref<Tally>(i % kCount)->add(1, i % 3), [&](auto&) { --calls_left; });
    f.fabric.run_for(std::chrono::microseconds(seed * 150));
    std::vector<std::shared_ptr<Outcome>> outcomes;
    for (int i = 0; i < kCount; ++i) outcomes.push_back(f.replace(std::to_string(i), 1000 * (i + 1)));
    const bool must_die = seed % 2 == 0;
    f.fabric.run_for(std::chrono::microseconds(seed * 100));
    if (must_die)
      f.fabric.kill(2);
    else
      for (std::uint32_t s = 0; s < 16; ++s)
        f.fabric.move_shard(kernel::ShardId{s}, static_cast<std::uint16_t>(s % 3 + 1));
    REQUIRE(f.fabric.run_until([&] { return calls_left == 0; }, 60s));
    f.fabric.run_for(15s);
    int done = 0;
    for (int i = 0; i < kCount; ++i) {
      const Outcome& outcome = *outcomes[static_cast<std::size_t>(i)];
      const std::int64_t total = f.total(std::to_string(i));
      if (outcome.is_ended && outcome.result) {
        ++done;
        CHECK(total >= 1000 * (i + 1));
      }
      CHECK(total % 1000 <= 3);
      if (!must_die) CHECK(outcome.is_ended);  // requests of a dead node get no answer
    }
    CHECK(done > 0);
  }
}
