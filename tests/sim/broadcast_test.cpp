// Broadcasts, through buffers that are always full, while shards move and nodes crash: no entity hears one twice, those
// that are counted as reached have heard it, those of one caller are heard in their order, and nothing waits for ever.

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <epic/epic.hpp>
#include <map>
#include <random>
#include <set>

#include "codec/capnp_codec.hpp"
#include "support/sanitizers.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kParishShards = 16;
constexpr std::int64_t kParishes = 60;
constexpr std::uint64_t kBellSeeds = test::kIsSanitized ? 3 : 25;

/// Hears the two strokes of each round.
class Parish : public Entity {
  std::int64_t heard_count_ = 0;

 public:
  static inline std::map<std::int64_t, std::multiset<std::string>> heard;  // by round: "parish stroke"
  static inline bool is_out_of_order = false;

  Task<std::int64_t> hear(std::int64_t round, std::int64_t stroke) {
    ++heard_count_;
    if (stroke == 1 && heard[round].contains(fmt::format("{} 2", key()))) is_out_of_order = true;
    heard[round].insert(fmt::format("{} {}", key(), stroke));
    if (round % 3 == 0) co_await sleep(2ms);
    co_return heard_count_;
  }
  EPIC_ENTITY(Parish, state(heard_count_), methods(hear))
};

class Bell : public Entity {
  std::int64_t rounds_ = 0;

 public:
  /// How many have heard one of its strokes, and how many perhaps not.
  Task<std::pair<std::int64_t, std::int64_t>> ring(std::int64_t round, std::int64_t first, std::int64_t count) {
    ++rounds_;
    std::vector<Ref<Parish>> parishes;
    for (std::int64_t i = first; i < first + count; ++i) parishes.emplace_back(i % kParishes);
    const auto strike = [&](std::int64_t stroke) {
      return spawn([parishes, round, stroke]() -> Task<BroadcastResult> {
        co_return co_await broadcast(parishes, &Parish::hear, round, stroke).with(20s);
      });
    };
    auto one = strike(1);
    auto two = strike(2);
    const BroadcastResult first_result = co_await one;
    const BroadcastResult second_result = co_await two;
    co_return std::pair(static_cast<std::int64_t>(first_result.succeeded + second_result.succeeded),
                        static_cast<std::int64_t>(first_result.failed + second_result.failed));
  }
  EPIC_ENTITY(Bell, state(rounds_), methods(ring))
};

const ModuleInfo& bells() {
  static const EntityInfoFn entities[] = {&Parish::epic_info, &Bell::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

class BellRun {
 public:
  BellRun(std::uint64_t seed, bool with_crashes)
      : random_(seed),
        with_crashes_(with_crashes),
        fabric_({.seed = seed, .shard_count = kParishShards, .unread_max = 1 + seed % 5}, bells(), codec_) {
    Parish::heard.clear();
    Parish::is_out_of_order = false;
  }
  void check() {
    fabric_.run_for(100ms);
    for (int step = 0; step < 40; ++step) {
      act();
      fabric_.run_for(std::chrono::milliseconds(random_() % 40));
    }
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (!fabric_.is_alive(node)) fabric_.restart(node);
    const auto has_ended = [](const auto& of_node) { return of_node.second.empty(); };
    CHECK(fabric_.run_until([&] { return std::ranges::all_of(open_, has_ended); }, 60s));
    fabric_.run_for(25s);  // the deadline of whatever was rung by a bell that has died
    for (std::uint16_t node = 1; node <= 3; ++node) CHECK(fabric_.kernel(node).stats().calls_pending == 0);
    CHECK_FALSE(Parish::is_out_of_order);
    for (const auto& [round, strokes] : Parish::heard)
      for (const std::string& stroke : strokes)
        if (strokes.count(stroke) != 1) FAIL_CHECK(stroke << " of round " << round << " was heard more than once");
    CHECK(rung_ > (with_crashes_ ? 0 : begun_ - 1));
  }

 private:
  void act() {
    const auto node = static_cast<std::uint16_t>(random_() % 3 + 1);
    const auto what = random_() % 8;
    if (!fabric_.is_alive(node)) return fabric_.restart(node);
    if (what == 0 && with_crashes_) {
      open_[node].clear();  // nobody is left to hear of them
      return fabric_.kill(node);
    }
    if (what <= 3)
      return fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % kParishShards)}, node);
    const auto count = static_cast<std::int64_t>(random_() % kParishes);
    const std::int64_t round = ++begun_;
    open_[node].insert(round);
    fabric_.start_call<std::pair<std::int64_t, std::int64_t>>(
        node,
        Ref<Bell>(static_cast<std::int64_t>(random_() % 4))
            ->ring(round, static_cast<std::int64_t>(random_() % kParishes), count),
        [this, node, round, count](auto& record) {
          open_[node].erase(round);
          if (record.failure || record.thrown()) return;  // a node was lost
          ++rung_;
          const auto [succeeded, failed] = *record.outcome.value;
          CHECK(succeeded + failed == 2 * count);
          const auto heard = static_cast<std::int64_t>(Parish::heard[round].size());
          CHECK(heard >= succeeded);
          if (!with_crashes_) CHECK(failed == 0);
        });
  }

  std::mt19937_64 random_;
  bool with_crashes_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
  std::int64_t begun_ = 0;
  std::map<std::uint16_t, std::set<std::int64_t>> open_;  // rounds, by the node that made the call
  std::int64_t rung_ = 0;
};

void check_bells(bool with_crashes) {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kBellSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    BellRun(seed, with_crashes).check();
  }
}

}  // namespace

TEST_CASE("broadcasts: through full buffers and moving shards each entity hears each once, in order", "[sim]") {
  check_bells(/*with_crashes=*/false);
}

TEST_CASE("broadcasts: and when nodes crash none hears one twice, and nothing waits for ever", "[sim]") {
  check_bells(/*with_crashes=*/true);
}
