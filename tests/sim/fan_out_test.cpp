// Many calls at once, through buffers that are always full, while shards move and nodes crash: no call runs twice, one
// whose result has come has run, those of one caller arrive in their order, and nothing waits for ever.

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

constexpr std::uint32_t kSquareShards = 16;
constexpr std::int64_t kSquares = 12;
constexpr std::uint64_t kFanOutSeeds = test::kIsSanitized ? 3 : 25;

/// Hears numbers, each of which is called out once.
class Square : public Entity {
 public:
  static inline std::multiset<std::int64_t> heard;
  static inline std::map<std::pair<std::string, std::int64_t>, std::int64_t> newest;  // by square and crier's round
  static inline bool is_out_of_order = false;

  Task<std::int64_t> hear(std::int64_t round, std::int64_t number) const {
    heard.insert(number);
    std::int64_t& last = newest[{std::string(key()), round}];
    if (number < last) is_out_of_order = true;
    last = number;
    if (number % 7 == 0) co_await sleep(2ms);
    co_return number;
  }
  EPIC_ENTITY(Square, methods(hear), transient)
};

class Crier : public Entity {
  std::int64_t rounds_ = 0;

 public:
  Task<std::int64_t> cry(std::int64_t round, std::int64_t first, std::int64_t count, std::int64_t at_once) {
    ++rounds_;
    std::vector<Call<std::int64_t>> calls;
    for (std::int64_t i = first; i < first + count; ++i)
      calls.push_back(Ref<Square>(i % kSquares).with(20s)->hear(round, i));
    std::int64_t sum = 0;
    for (const std::int64_t number : co_await gather(std::move(calls), {.at_once = static_cast<std::size_t>(at_once)}))
      sum += number;
    co_return sum;
  }
  EPIC_ENTITY(Crier, state(rounds_), methods(cry))
};

const ModuleInfo& criers() {
  static const EntityInfoFn entities[] = {&Square::epic_info, &Crier::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

class FanOutRun {
 public:
  FanOutRun(std::uint64_t seed, bool with_crashes)
      : random_(seed),
        with_crashes_(with_crashes),
        fabric_({.seed = seed, .shard_count = kSquareShards, .unread_max = 1 + seed % 5}, criers(), codec_) {
    Square::heard.clear();
    Square::newest.clear();
    Square::is_out_of_order = false;
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
    fabric_.run_for(25s);  // the deadline of whatever was cried by a crier that has died
    for (std::uint16_t node = 1; node <= 3; ++node) CHECK(fabric_.kernel(node).stats().calls_pending == 0);
    CHECK_FALSE(Square::is_out_of_order);
    for (const std::int64_t number : Square::heard)
      if (Square::heard.count(number) != 1) FAIL_CHECK(number << " was heard more than once");
    CHECK(successes_ > (with_crashes_ ? 0 : begun_ - 1));
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
      return fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % kSquareShards)}, node);
    const auto count = static_cast<std::int64_t>(random_() % 400);
    const std::int64_t first = next_;
    next_ += count;
    const std::int64_t round = ++begun_;
    open_[node].insert(round);
    fabric_.start_call<std::int64_t>(node,
                                     Ref<Crier>(static_cast<std::int64_t>(random_() % 6))
                                         ->cry(round, first, count, static_cast<std::int64_t>(1 + random_() % 100)),
                                     [this, node, round, first, count](auto& record) {
                                       open_[node].erase(round);
                                       if (record.failure || record.thrown()) return;  // a node was lost
                                       ++successes_;
                                       CHECK(*record.outcome.value == count * first + count * (count - 1) / 2);
                                       for (std::int64_t i = first; i < first + count; ++i)
                                         if (!Square::heard.contains(i)) FAIL_CHECK(i << " was answered and not heard");
                                     });
  }

  std::mt19937_64 random_;
  bool with_crashes_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
  std::int64_t next_ = 1;
  std::int64_t begun_ = 0;
  std::map<std::uint16_t, std::set<std::int64_t>> open_;  // rounds, by the node that made the call
  std::int64_t successes_ = 0;
};

void check_fan_out(bool with_crashes) {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kFanOutSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    FanOutRun(seed, with_crashes).check();
  }
}

}  // namespace

TEST_CASE("fan-out: through full buffers and moving shards each call runs once, in order", "[sim]") {
  check_fan_out(/*with_crashes=*/false);
}

TEST_CASE("fan-out: and when nodes crash none runs twice, and nothing waits for ever", "[sim]") {
  check_fan_out(/*with_crashes=*/true);
}
