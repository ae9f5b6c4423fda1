// Classes that are together, while shards move and nodes crash: an entity moves with those that share its tag, and
// nothing acknowledged is lost.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "support/sanitizers.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kInnShards = 12;
constexpr int kInns = 10;
constexpr std::uint64_t kInnSeeds = test::kIsSanitized ? 3 : 20;

class Inn : public Entity {
  std::int64_t nights_ = 0;

 public:
  Task<std::int64_t> stay() { co_return ++nights_; }
  Task<std::int64_t> nights() const { co_return nights_; }
  EPIC_ENTITY(Inn, state(nights_), methods(stay, nights))
};

class Lodger : public Entity {
  std::int64_t nights_ = 0;

 public:
  Task<std::int64_t> sleep_in(Ref<Inn> inn) {
    ++nights_;
    co_return co_await inn->stay();
  }
  Task<std::int64_t> nights() const { co_return nights_; }
  EPIC_ENTITY(Lodger, state(nights_), methods(sleep_in, nights), together(Inn))
};

const ModuleInfo& inns_and_lodgers() {
  static const EntityInfoFn entities[] = {&Inn::epic_info, &Lodger::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

std::string inn_key(std::uint64_t number) { return "{" + std::to_string(number) + "}"; }
std::string lodger_key(std::uint64_t number) { return "{" + std::to_string(number) + "}:lodger"; }

class InnRun {
 public:
  explicit InnRun(std::uint64_t seed)
      : random_(seed), fabric_({.seed = seed, .shard_count = kInnShards}, inns_and_lodgers(), codec_) {}

  void check() {
    fabric_.run_for(50ms);
    for (int step = 0; step < 60; ++step) {
      act();
      fabric_.run_for(std::chrono::milliseconds(random_() % 30));
    }
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (!fabric_.is_alive(node)) fabric_.restart(node);
    fabric_.run_for(40s);  // the deadline of all calls
    for (std::uint64_t i = 0; i < kInns; ++i) {
      const auto of_inn = fabric_.call<std::int64_t>(1, Ref<Inn>(inn_key(i))->nights());
      const auto of_lodger = fabric_.call<std::int64_t>(2, Ref<Lodger>(lodger_key(i))->nights());
      CHECK(of_inn >= acknowledged_[i]);
      CHECK(of_inn <= of_lodger);  // whose turn came first
      const kernel::Placement& placement = fabric_.kernel(1).options().placement;
      CHECK(placement.shard_of("Lodger", lodger_key(i)) == placement.shard_of("Inn", inn_key(i)));
    }
    CHECK(total_ > 0);
  }

 private:
  void act() {
    const auto node = static_cast<std::uint16_t>(random_() % 3 + 1);
    const auto what = random_() % 8;
    if (!fabric_.is_alive(node)) return fabric_.restart(node);
    if (what == 0) return fabric_.kill(node);
    if (what <= 2) return fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % kInnShards)}, node);
    const std::uint64_t number = random_() % kInns;
    fabric_.start_call<std::int64_t>(node, Ref<Lodger>(lodger_key(number))->sleep_in(Ref<Inn>(inn_key(number))),
                                     [this, number](auto& record) {
                                       if (record.failure || record.thrown()) return;
                                       ++acknowledged_[number];
                                       ++total_;
                                     });
  }

  std::mt19937_64 random_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
  std::map<std::uint64_t, std::int64_t> acknowledged_;
  std::int64_t total_ = 0;
};

}  // namespace

TEST_CASE("together: while shards move and nodes crash, a lodger moves with its inn, and no night is lost", "[sim]") {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kInnSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    InnRun(seed).check();
  }
}
