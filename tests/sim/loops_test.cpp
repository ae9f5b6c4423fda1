// Entities that loop, by every kind of loop, while their shards move and their nodes drain, stop and crash: what was
// acknowledged is there, no entity has two activations, and nothing moves later than its grace allows.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <epic/epic.hpp>
#include <map>
#include <random>
#include <ranges>

#include "codec/capnp_codec.hpp"
#include "kernel/limits.hpp"
#include "support/sanitizers.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kLoopShards = 16;
constexpr int kLoopers = 24;
constexpr std::uint64_t kLoopSeeds = test::kIsSanitized ? 2 : 25;

/// Its count only grows, whatever runs it; a count seen twice comes from two activations, or from a lost save.
class Roundabout : public Entity {
  std::int64_t count_ = 0;

  Task<void> turn_round(std::chrono::milliseconds pause) {
    while (true) {
      co_await sleep(pause);
      ++count_;
    }
  }
  Task<void> turn_stubbornly() {
    while (true) try {
        ++count_;
        co_await sleep(7ms);
      } catch (...) {
      }
  }
  Task<void> turn_through(Ref<Roundabout> other) {
    while (true) {
      ++count_;
      co_await gather(other->add(), self()->add());
      co_await sleep(3ms);
    }
  }

 public:
  Task<void> on_activate() override {
    if (key().ends_with("0")) spawn(turn_round(11ms));
    co_return;
  }
  Task<void> start(int kind, Ref<Roundabout> other) {
    if (kind == 0) spawn(turn_round(5ms));
    if (kind == 1) spawn(turn_stubbornly());
    if (kind == 2) spawn(turn_through(other));
    if (kind == 3) co_await turn_round(5ms);
    if (kind == 4) co_await turn_through(other);
    if (kind == 5)
      while (!stopping()) co_await sleep(5ms);
  }
  Task<std::int64_t> add() { co_return ++count_; }
  EPIC_ENTITY(Roundabout, state(count_), methods(start, add))
};

const ModuleInfo& roundabouts() {
  static const EntityInfoFn entities[] = {&Roundabout::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

/// One run, from one seed.
class Run {
 public:
  Run(std::uint64_t seed, bool with_crashes)
      : random_(seed),
        with_crashes_(with_crashes),
        fabric_({.seed = seed, .shard_count = kLoopShards}, roundabouts(), codec_) {}

  void check() {
    fabric_.run_for(100ms);
    for (int step = 0; step < 60; ++step) {
      act();
      fabric_.run_for(std::chrono::milliseconds(random_() % 60));
    }
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (!fabric_.is_alive(node)) fabric_.restart(node);
    fabric_.run_for(2 * kernel::limits::kGrace);  // every move so far has ended
    for (std::uint32_t shard = 0; shard < kLoopShards; ++shard) fabric_.move_shard(kernel::ShardId{shard}, 2);
    const auto is_moved = [this](int i) { return fabric_.owner_of(fmt::format("Roundabout/{}", i)) == 2; };
    CHECK(fabric_.run_until([&] { return std::ranges::all_of(std::views::iota(0, kLoopers), is_moved); },
                            kernel::limits::kGrace + 1s));
    for (int i = 0; i < kLoopers; ++i) {
      CAPTURE(i);
      CHECK(fabric_.call(1, Ref<Roundabout>(i)->add()) > newest_[i]);
    }
  }

 private:
  std::uint16_t any_node() { return static_cast<std::uint16_t>(random_() % 3 + 1); }
  Ref<Roundabout> any_looper() { return Ref<Roundabout>(static_cast<int>(random_() % kLoopers)); }

  void act() {
    const std::uint16_t node = any_node();
    switch (random_() % 10) {
      case 0:
        if (with_crashes_ && fabric_.is_alive(node)) return fabric_.kill(node);
        if (!fabric_.is_alive(node)) return fabric_.restart(node);
        [[fallthrough]];
      case 1:
      case 2: {
        const auto shard = static_cast<std::uint32_t>(random_() % kLoopShards);
        if (!fabric_.is_alive(node)) return;
        return fabric_.move_shard(kernel::ShardId{shard}, node);
      }
      case 3:
      case 4:
        if (fabric_.is_alive(node))
          fabric_.start_call<void>(node, any_looper().with(1h)->start(static_cast<int>(random_() % 6), any_looper()),
                                   {});
        return;
      default:
        if (fabric_.is_alive(node)) add(node, static_cast<int>(random_() % kLoopers));
    }
  }
  /// Calls of one client to one entity are answered in the order in which they were made.
  void add(std::uint16_t node, int looper) {
    const std::int64_t before = newest_[looper];
    fabric_.start_call<std::int64_t>(node, Ref<Roundabout>(looper)->add(), [this, looper, before](auto& record) {
      if (record.failure) return;  // a node was lost
      CHECK(*record.outcome.value > before);
      newest_[looper] = std::max(newest_[looper], *record.outcome.value);
    });
  }

  std::mt19937_64 random_;
  bool with_crashes_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
  std::map<int, std::int64_t> newest_;  // that was acknowledged
};

void check_loops(bool with_crashes) {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kLoopSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    Run(seed, with_crashes).check();
  }
}

}  // namespace

TEST_CASE("loops: while shards move under loops of every kind, nothing acknowledged is lost", "[sim]") {
  check_loops(/*with_crashes=*/false);
}

TEST_CASE("loops: nor when nodes crash meanwhile", "[sim]") { check_loops(/*with_crashes=*/true); }
