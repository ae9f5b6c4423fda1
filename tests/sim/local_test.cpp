// Entities of a local class while shards move, nodes stop and crash: each call runs on its caller's node, on no more
// instances than there may be, and nothing waits for ever.

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <epic/epic.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "kernel/kernel_scope.hpp"
#include "support/sanitizers.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kMillShards = 16;
constexpr std::int64_t kMillersMax = 3;
constexpr std::uint64_t kMillSeeds = test::kIsSanitized ? 3 : 25;

std::uint64_t life_here() { return kernel::here("a test").options().self.life; }

class Miller : public Entity {
  std::uint64_t life_ = 0;

 public:
  static inline std::map<std::pair<std::uint64_t, std::string>, std::int64_t> working;  // by process and key
  static inline std::int64_t most = 0;

  Task<> on_activate() override {
    life_ = life_here();
    most = std::max(most, ++working[{life_, std::string(key())}]);
    co_return;
  }
  Task<> on_deactivate() override {
    --working[{life_, std::string(key())}];
    co_return;
  }
  Task<std::uint64_t> grind(std::chrono::milliseconds time) {
    if (time > 0ms) co_await sleep(time);
    co_return life_here();
  }
  EPIC_ENTITY(Miller, methods(grind), local(3))
};

class Farmer : public Entity {
  std::int64_t sacks_ = 0;

 public:
  /// How many of its calls have run on another node.
  Task<std::int64_t> bring(std::string miller, std::int64_t count, std::chrono::milliseconds time) {
    ++sacks_;
    const std::uint64_t here = life_here();
    std::vector<Call<std::uint64_t>> calls;
    for (std::int64_t i = 0; i < count; ++i) calls.push_back(Ref<Miller>(miller)->grind(time));
    std::int64_t elsewhere = 0;
    for (const std::uint64_t life : co_await gather(std::move(calls))) elsewhere += life == here ? 0 : 1;
    co_return elsewhere;
  }
  EPIC_ENTITY(Farmer, state(sacks_), methods(bring))
};

const ModuleInfo& mills() {
  static const EntityInfoFn entities[] = {&Miller::epic_info, &Farmer::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

class MillRun {
 public:
  MillRun(std::uint64_t seed, bool with_crashes)
      : random_(seed),
        with_crashes_(with_crashes),
        fabric_({.seed = seed, .shard_count = kMillShards, .idle_age = 200ms}, mills(), codec_) {
    Miller::working.clear();
    Miller::most = 0;
  }

  void check() {
    fabric_.run_for(100ms);
    for (int step = 0; step < 150; ++step) {
      act();
      fabric_.run_for(std::chrono::milliseconds(random_() % 20));
    }
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (!fabric_.is_alive(node)) fabric_.restart(node);
    const auto has_ended = [](const auto& of_node) { return of_node.second.empty(); };
    CHECK(fabric_.run_until([&] { return std::ranges::all_of(open_, has_ended); }, 60s));
    fabric_.run_for(35s);
    for (std::uint16_t node = 1; node <= 3; ++node) {
      CHECK(fabric_.kernel(node).stats().calls_pending == 0);
      CHECK(fabric_.kernel(node).stats().entities == 0);  // all of them have been idle for long
    }
    CHECK(Miller::most == kMillersMax);
    CHECK(ended_ > 20);
    CHECK(elsewhere_ == 0);
    CHECK((with_crashes_ || failed_ == 0));
  }

 private:
  void act() {
    const auto node = static_cast<std::uint16_t>(random_() % 3 + 1);
    const auto what = random_() % 16;
    if (!fabric_.is_alive(node)) return fabric_.restart(node);
    if (what == 0 && with_crashes_) {
      open_[node].clear();  // nobody is left to hear of them
      return fabric_.kill(node);
    }
    if (what == 1 && with_crashes_) {
      static_cast<void>(fabric_.stop(node, 20s));
      open_[node].clear();
      return fabric_.kill(node);
    }
    if (what <= 4)
      return fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % kMillShards)}, node);
    const std::int64_t call = ++calls_;
    open_[node].insert(call);
    const Ref<Farmer> farmer(static_cast<std::int64_t>(random_() % 20));
    const std::string miller = std::to_string(random_() % 3);
    const auto count = static_cast<std::int64_t>(random_() % 8 + 1);
    fabric_.start_call<std::int64_t>(node, farmer->bring(miller, count, std::chrono::milliseconds(random_() % 30)),
                                     [this, node, call](auto& record) {
                                       open_[node].erase(call);
                                       if (record.failure || record.thrown()) {
                                         ++failed_;
                                         return;
                                       }
                                       ++ended_;
                                       elsewhere_ += *record.outcome.value;
                                     });
  }

  std::mt19937_64 random_;
  bool with_crashes_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
  std::map<std::uint16_t, std::set<std::int64_t>> open_;  // by the node that made the call
  std::int64_t calls_ = 0;
  std::int64_t ended_ = 0;
  std::int64_t failed_ = 0;
  std::int64_t elsewhere_ = 0;
};

void check_mills(bool with_crashes) {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kMillSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    MillRun(seed, with_crashes).check();
  }
}

}  // namespace

TEST_CASE("local: while shards move, calls run on the nodes of their callers, and none fails", "[sim]") {
  check_mills(/*with_crashes=*/false);
}

TEST_CASE("local: and when nodes stop and crash, nothing waits for ever", "[sim]") {
  check_mills(/*with_crashes=*/true);
}
