// epic::blocking: functions that run on other threads, as the kernel sees them.

#include <catch2/catch.hpp>

#include <epic/epic.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;

namespace {

/// What functions have done outside, in their order; it outlives every node.
std::vector<std::int64_t> g_done;

struct OutOfClay : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Pottery : public Entity {
  std::int64_t pots_ = 0;
  std::string told_;

 public:
  Task<std::string> shout(std::string text) const {
    auto shouted = co_await blocking_pure([text = std::move(text)] { return text + "!"; });
    co_return shouted;
  }
  /// What comes back, and what is thrown, need not be values that travel between nodes.
  Task<std::int64_t> unwrap(std::int64_t number) const {
    auto wrapped = std::make_unique<std::int64_t>(number);
    auto back = co_await blocking_pure([wrapped = std::move(wrapped)]() mutable { return std::move(wrapped); });
    co_return *back;
  }
  Task<std::string> fail() const {
    try {
      co_await blocking([] { throw OutOfClay("none left"); });
    } catch (const OutOfClay& thrown) {
      co_return thrown.what();
    }
    co_return "nothing";
  }
  Task<std::string> misuse() const {
    try {
      co_await blocking_pure([] { return epic::random(); });
    } catch (const std::logic_error& thrown) {
      co_return thrown.what();
    }
    co_return "nothing";
  }
  Task<std::int64_t> fire() {
    const std::int64_t pot = ++pots_;
    co_await blocking([pot] { g_done.push_back(pot); });
    co_return pot;
  }
  Task<std::int64_t> fire_at_once() {
    const std::int64_t pot = ++pots_;
    co_await blocking_pure([pot] { g_done.push_back(pot); });
    co_return pot;
  }
  Task<> fire_for(Ref<Pottery> other) {
    const std::int64_t pots = co_await other->add();
    co_await blocking([pots] { g_done.push_back(pots); });
  }
  Task<std::int64_t> add() { co_return ++pots_; }
  Task<std::int64_t> pots() const { co_return pots_; }
  Task<> cancel_one() {
    auto one = spawn(blocking_pure([] { g_done.push_back(-1); }));
    co_await sleep(1ms);
    one.cancel();
    try {
      co_await one;
    } catch (const Cancelled&) {
      told_ = "cancelled";
    }
  }
  Task<std::string> told() const { co_return told_; }
  Task<> spawn_one() {
    spawn(blocking_pure([] { g_done.push_back(-2); }));
    co_return;
  }
  EPIC_ENTITY(Pottery, state(pots_),
              methods(shout, unwrap, fail, misuse, fire, fire_at_once, fire_for, add, pots, cancel_one, told,
                      spawn_one))
};

const ModuleInfo& potteries() {
  static const EntityInfoFn entities[] = {&Pottery::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct BlockingFixture {
  explicit BlockingFixture(test::SimOptions options = {.seed = 3}) : fabric(options, potteries(), codec) {
    g_done.clear();
    fabric.run_for(100ms);
    pottery = on(1, "a");
  }
  Ref<Pottery> on(std::uint16_t node, const std::string& stem) {
    for (int i = 0;; ++i)
      if (Ref<Pottery> ref(stem + std::to_string(i)); fabric.owner_of(ref.name()) == node) return ref;
  }

  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Pottery> pottery{"a"};
};

}  // namespace

TEST_CASE("blocking: what a function returns or throws arrives as it is", "[kernel]") {
  BlockingFixture f;
  CHECK(f.fabric.call(2, f.pottery->shout("hot")) == "hot!");
  CHECK(f.fabric.call(2, f.pottery->unwrap(7)) == 7);
  CHECK(f.fabric.call(2, f.pottery->fail()) == "none left");
  CHECK(f.fabric.kernel(1).stats().blocking == 0);
}

TEST_CASE("blocking: other calls of the entity run meanwhile, and the one that waits says what for", "[kernel]") {
  BlockingFixture f({.seed = 3, .blocking_delay_max = 10s});
  f.fabric.call(1, f.pottery->pots());
  const auto ended = f.fabric.start_call<std::int64_t>(1, f.pottery->fire_at_once(), {});
  CHECK(f.fabric.call(1, f.pottery->pots()) == 1);
  CHECK_FALSE(*ended);
  CHECK(f.fabric.kernel(1).stats().blocking == 1);
  const auto views = f.fabric.kernel(1).calls(f.pottery.name());
  REQUIRE(views.size() == 1);
  CHECK(views[0].state == "waiting for epic::blocking");
  CHECK(f.fabric.run_until([&] { return *ended; }));
  CHECK(f.fabric.kernel(1).stats().blocking == 0);
}

TEST_CASE("blocking: a function does not begin before the changes that it follows are durable", "[kernel]") {
  BlockingFixture f;
  f.fabric.call(1, f.pottery->pots());
  f.fabric.hold_commits(true);
  const auto other = f.on(1, "b");
  const auto ended = f.fabric.start_call<std::int64_t>(1, f.pottery->fire(), {});
  const auto follower = f.fabric.start_call<void>(1, other->fire_for(f.pottery), {});  // has only seen a change
  f.fabric.run_for(200ms);
  CHECK(g_done.empty());
  const auto at_once = f.fabric.start_call<std::int64_t>(1, f.pottery->fire_at_once(), {});
  f.fabric.run_for(200ms);
  CHECK(g_done == std::vector<std::int64_t>{3});
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *ended && *follower && *at_once; }));
  CHECK(std::ranges::count(g_done, 1) == 1);
  CHECK(std::ranges::count(g_done, 2) == 1);
}

TEST_CASE("blocking: whenever a node dies, no effect outside is ahead of the state", "[kernel]") {
  std::size_t unfinished = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    BlockingFixture f({.seed = seed});
    f.fabric.call(1, f.pottery->pots());
    std::vector<std::shared_ptr<bool>> calls;
    for (int i = 0; i < 5; ++i) {
      calls.push_back(f.fabric.start_call<std::int64_t>(1, f.pottery->fire(), {}));
      f.fabric.run_for(std::chrono::microseconds(37 * seed));
    }
    f.fabric.kill(1);
    f.fabric.run_for(1s);
    const std::int64_t pots = f.fabric.call(2, f.pottery->pots());
    for (const std::int64_t pot : g_done) CHECK(pot <= pots);
    unfinished += g_done.size() < calls.size() ? 1 : 0;
  }
  CHECK(unfinished > 0);  // otherwise no node has died in between
}

TEST_CASE("blocking: beyond the limit it is refused, without having run, and there is room again later", "[kernel]") {
  BlockingFixture f({.seed = 3, .blocking_delay_max = 1s});
  f.fabric.call(1, f.pottery->pots());
  constexpr std::size_t kRefused = 10;
  constexpr std::size_t kMax = limits::kBlockingThreads + limits::kBlockingQueueMax;
  std::size_t ended = 0;
  std::vector<std::string> refused;
  for (std::size_t i = 0; i < kMax + kRefused; ++i)
    f.fabric.start_call<std::int64_t>(1, f.pottery->fire_at_once(), [&](detail::ResultRecord<std::int64_t>& record) {
      ++ended;
      try {
        record.take();
      } catch (const Overloaded& thrown) {
        refused.emplace_back(thrown.what());
      }
    });
  CHECK(f.fabric.run_until([&] { return ended == kMax + kRefused; }));
  REQUIRE(refused.size() == kRefused);
  CHECK_THAT(refused.front(), Catch::Contains(".fire_at_once was refused epic::blocking: 1040 functions"));
  CHECK(g_done.size() == kMax);
  CHECK(f.fabric.call(1, f.pottery->shout("again")) == "again!");
}

TEST_CASE("blocking: a function whose caller is cancelled before it begins never does", "[kernel]") {
  BlockingFixture f({.seed = 3, .blocking_delay_max = 10s});
  f.fabric.call(1, f.pottery->pots());
  f.fabric.call(1, f.pottery->cancel_one());
  CHECK(f.fabric.call(1, f.pottery->told()) == "cancelled");
  f.fabric.run_for(60s);
  CHECK(g_done.empty());
  CHECK(f.fabric.kernel(1).stats().blocking == 0);  // it came back all the same
}

TEST_CASE("blocking: an entity that leaves does not wait for what it has started", "[kernel]") {
  BlockingFixture f({.seed = 3, .blocking_delay_max = 10s});
  f.fabric.call(1, f.pottery->spawn_one());
  REQUIRE(f.fabric.kernel(1).stats().blocking == 1);
  f.fabric.move_shard(ungrouped(16).shard_of(f.pottery.name()), 3);
  CHECK(f.fabric.run_until([&] { return f.fabric.owner_of(f.pottery.name()) == 3; }, 100ms));
  f.fabric.run_for(60s);
  CHECK(f.fabric.kernel(1).stats().blocking == 0);
}

TEST_CASE("blocking: inside of it, what needs an entity's thread throws", "[kernel]") {
  BlockingFixture f;
  CHECK_THAT(f.fabric.call(1, f.pottery->misuse()),
             Catch::Contains("epic::random was used inside of epic::blocking, on a thread that runs no entities"));
}
