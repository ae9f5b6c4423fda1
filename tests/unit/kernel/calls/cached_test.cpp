// Ref::cached(): const methods, answered by this node's copy of an earlier result.

#include "epic/cached.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <map>
#include <string>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "kernel/calls/calls.hpp"
#include "support/sim_fabric.hpp"
#include "unit/kernel/kernel_parts.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

class Taster;

class Bakery : public Entity {
  std::int64_t price_ = 1;
  std::string flour_;

 public:
  static inline std::map<std::string, std::int64_t> asked;  // how often, by entity and cake

  Task<std::int64_t> price(std::string cake) const {
    ++asked[fmt::format("{} {}", key(), cake)];
    if (cake == "none") throw std::invalid_argument("no such cake");
    if (cake == "slow") co_await sleep(20ms);
    co_return price_;
  }
  Task<std::int64_t> flour_bytes() const { co_return static_cast<std::int64_t>(flour_.size()); }
  Task<std::string> ask_back(Ref<Taster> taster) const;
  Task<void> set_price(std::int64_t price) {
    price_ = price;
    co_return;
  }
  Task<void> stock_flour(std::int64_t bytes) {
    flour_.assign(static_cast<std::size_t>(bytes), 'f');
    co_return;
  }
  EPIC_ENTITY(Bakery, state(price_, flour_), methods(price, flour_bytes, ask_back, set_price, stock_flour))
};

class Taster : public Entity {
  std::int64_t bites_ = 0;

 public:
  Task<std::int64_t> look(Ref<Bakery> bakery, std::string cake, std::chrono::milliseconds max_age) const {
    co_return co_await bakery.cached(max_age)->price(cake);
  }
  Task<std::string> look_with(Ref<Bakery> bakery, std::chrono::milliseconds deadline) const {
    try {
      co_return fmt::format("{}", co_await bakery.with(deadline).cached(1s)->price("slow"));
    } catch (const Timeout&) {
      co_return "timeout";
    }
  }
  Task<std::string> try_look(Ref<Bakery> bakery, std::string cake) const {
    try {
      co_return fmt::format("{}", co_await bakery.cached(1s)->price(cake));
    } catch (const std::invalid_argument& error) {
      co_return error.what();
    }
  }
  Task<std::vector<std::int64_t>> look_ten_times(Ref<Bakery> bakery, std::string cake) const {
    std::vector<Call<std::int64_t>> calls;
    for (int i = 0; i < 10; ++i) calls.push_back(bakery.cached(1s)->price(cake));
    co_return co_await gather(std::move(calls));
  }
  /// A call of the first of them is cancelled, the second's goes on.
  Task<std::string> look_and_give_up(Ref<Bakery> bakery) const {
    auto first = spawn(bakery.cached(1s)->price("slow"));
    auto second = spawn(bakery.cached(1s)->price("slow"));
    co_await sleep(5ms);
    first.cancel();
    std::string result;
    try {
      co_await first;
    } catch (const Cancelled&) {
      result = "cancelled";
    }
    co_return fmt::format("{}, {}", result, co_await second);
  }
  /// What it has changed is seen through the copy only when that is old enough.
  Task<std::vector<std::int64_t>> change(Ref<Bakery> bakery, std::int64_t price) {
    ++bites_;
    std::vector<std::int64_t> seen;
    seen.push_back(co_await bakery.cached(50ms)->price("cake"));
    co_await bakery->set_price(price);
    seen.push_back(co_await bakery.cached(50ms)->price("cake"));
    seen.push_back(co_await bakery->price("cake"));
    co_await sleep(50ms);
    seen.push_back(co_await bakery.cached(50ms)->price("cake"));
    co_return seen;
  }
  Task<std::int64_t> stock_and_look(Ref<Bakery> bakery, std::int64_t bytes) const {
    co_await bakery->stock_flour(bytes);
    co_return co_await bakery.cached(1s)->flour_bytes();
  }
  Task<std::int64_t> look_at_flour(Ref<Bakery> bakery) const { co_return co_await bakery.cached(1s)->flour_bytes(); }
  Task<std::string> be_asked() { co_return "fine"; }
  Task<std::string> ask_and_wait(Ref<Bakery> bakery) {
    co_await sleep(10ms);
    try {
      co_return co_await bakery.cached(1s)->ask_back(self());
    } catch (const Error& error) {
      co_return std::string(to_string(error.code()));
    }
  }
  Task<std::string> ask_for(Ref<Bakery> bakery, Ref<Taster> other) const {
    try {
      co_return co_await bakery.cached(1s)->ask_back(other);
    } catch (const Error& error) {
      co_return std::string(to_string(error.code()));
    }
  }
  EPIC_ENTITY(Taster, state(bites_),
              methods(look, look_with, try_look, look_ten_times, look_and_give_up, change, stock_and_look,
                      look_at_flour, ask_for),
              exclusive(be_asked, ask_and_wait))
};

Task<std::string> Bakery::ask_back(Ref<Taster> taster) const { co_return co_await taster->be_asked(); }

const ModuleInfo& bakeries() {
  static const EntityInfoFn entities[] = {&Bakery::epic_info, &Taster::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct CachedFixture {
  CachedFixture() : fabric({.seed = 5}, bakeries(), codec) {
    Bakery::asked.clear();
    fabric.run_for(100ms);
  }
  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
  /// The `index`th taster on the bakery's node, or on another one.
  Ref<Taster> find_taster(bool is_at_home, int index = 0) {
    const std::uint16_t home = fabric.owner_of(bakery.name());
    const std::uint16_t wanted = is_at_home ? home : home % 3 + 1;
    for (int key = 0;; ++key)
      if (fabric.owner_of(fmt::format("Taster/{}", key)) == wanted && index-- == 0) return Ref<Taster>(key);
  }
  std::int64_t asked(const std::string& cake) { return Bakery::asked[fmt::format("{} {}", bakery.key(), cake)]; }
  [[nodiscard]] std::size_t pending() {
    std::size_t calls = 0;
    for (const std::uint16_t node : {1, 2, 3}) calls += fabric.kernel(node).stats().calls_pending;
    return calls;
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Bakery> bakery{"corner"};
};

}  // namespace

TEST_CASE("cached: a copy answers until it is too old, on each node by itself", "[kernel]") {
  const bool is_at_home = GENERATE(false, true);
  CAPTURE(is_at_home);
  CachedFixture f;
  const auto taster = f.find_taster(is_at_home);
  f.call(f.bakery->set_price(3));
  CHECK(f.call(taster->look(f.bakery, "cake", 1000ms)) == 3);
  CHECK(f.asked("cake") == 1);
  f.call(f.bakery->set_price(4));
  CHECK(f.call(taster->look(f.bakery, "cake", 1000ms)) == 3);
  CHECK(f.call(taster->look(f.bakery, "tart", 1000ms)) == 4);
  CHECK(f.call(taster->look(Ref<Bakery>("other"), "cake", 1000ms)) == 1);
  CHECK(f.asked("cake") == 1);
  CHECK(f.asked("tart") == 1);
  CHECK(f.call(f.find_taster(!is_at_home)->look(f.bakery, "cake", 1000ms)) == 4);  // another node's
  CHECK(f.asked("cake") == 2);
  f.fabric.run_for(1s);
  CHECK(f.call(taster->look(f.bakery, "cake", 1000ms)) == 4);
  CHECK(f.asked("cake") == 3);
  CHECK(f.call(taster->look(f.bakery, "cake", 0ms)) == 4);
  CHECK(f.asked("cake") == 4);
}

TEST_CASE("cached: its age is counted from when it was asked for, not from when it came", "[kernel]") {
  CachedFixture f;
  const auto taster = f.find_taster(false);
  f.call(taster->look(f.bakery, "slow", 1000ms));  // 20 ms or more
  f.call(taster->look(f.bakery, "slow", 1000ms));
  CHECK(f.asked("slow") == 1);
  f.call(taster->look(f.bakery, "slow", 20ms));
  CHECK(f.asked("slow") == 2);
  f.call(taster->look(f.bakery, "slow", 20ms));  // so no copy is ever young enough
  CHECK(f.asked("slow") == 3);
}

TEST_CASE("cached: it may be older than its caller's own last change", "[kernel]") {
  CachedFixture f;
  const auto taster = f.find_taster(GENERATE(false, true));
  CHECK(f.call(taster->change(f.bakery, 9)) == std::vector<std::int64_t>{1, 1, 9, 9});
}

TEST_CASE("cached: calls at one time share one request", "[kernel]") {
  const bool is_at_home = GENERATE(false, true);
  CAPTURE(is_at_home);
  CachedFixture f;
  const auto one = f.find_taster(is_at_home, 0);
  const auto other = f.find_taster(is_at_home, 1);
  std::vector<std::int64_t> results;
  const auto keep = [&](auto& record) { results = record.take(); };
  const auto first = f.fabric.start_call<std::vector<std::int64_t>>(1, one->look_ten_times(f.bakery, "slow"), keep);
  const auto second = f.fabric.start_call<std::vector<std::int64_t>>(1, other->look_ten_times(f.bakery, "slow"), {});
  CHECK(f.fabric.run_until([&] { return *first && *second; }));
  CHECK(results == std::vector<std::int64_t>(10, 1));
  CHECK(f.asked("slow") == 1);
  CHECK(f.call(one->look_ten_times(f.bakery, "slow")) == results);
  CHECK(f.asked("slow") == 1);
  CHECK(f.pending() == 0);
}

TEST_CASE("cached: an exception reaches all that share the request, and is not kept", "[kernel]") {
  const bool is_at_home = GENERATE(false, true);
  CAPTURE(is_at_home);
  CachedFixture f;
  const auto one = f.find_taster(is_at_home);
  CHECK(f.call(one->try_look(f.bakery, "none")) == "no such cake");
  CHECK(f.call(one->try_look(f.bakery, "none")) == "no such cake");
  CHECK(f.asked("none") == 2);
  CHECK_THROWS_AS(f.call(one->look_ten_times(f.bakery, "none")), std::invalid_argument);
  f.fabric.run_for(1s);
  CHECK(f.asked("none") == 3);
  CHECK(f.pending() == 0);
}

TEST_CASE("cached: a caller that gives up takes nothing from those that share its request", "[kernel]") {
  const bool is_at_home = GENERATE(false, true);
  CAPTURE(is_at_home);
  CachedFixture f;
  const auto one = f.find_taster(is_at_home);
  std::string hasty;
  std::string patient;
  const auto first =
      f.fabric.start_call<std::string>(1, one->look_with(f.bakery, 10ms), [&](auto& record) { hasty = record.take(); });
  const auto second = f.fabric.start_call<std::string>(1, one->look_with(f.bakery, 10'000ms),
                                                       [&](auto& record) { patient = record.take(); });
  CHECK(f.fabric.run_until([&] { return *first && *second; }, 5s));
  CHECK(hasty == "timeout");
  CHECK(patient == "1");
  CHECK(f.asked("slow") == 2);

  f.fabric.run_for(2s);
  CHECK(f.call(one->look_and_give_up(f.bakery)) == "cancelled, 1");
  CHECK(f.asked("slow") == 4);
  f.fabric.run_for(2s);
  CHECK(f.pending() == 0);
}

TEST_CASE("cached: nobody outside sees a copy of what is not durable", "[kernel]") {
  CachedFixture f;
  const auto one = f.find_taster(true, 0);
  const auto other = f.find_taster(true, 1);
  const auto third = f.find_taster(true, 2);
  for (const auto& taster : {one, other, third})  // all are in memory
    f.call(taster->look(f.bakery, "tart", 1000ms));
  f.fabric.hold_commits(true);
  const auto changed = f.fabric.start_call<void>(1, f.bakery->set_price(5), {});
  f.fabric.run_for(20ms);
  std::int64_t seen = 0;
  const auto filled = f.fabric.start_call<std::int64_t>(1, one->look(f.bakery, "cake", 1000ms), {});
  f.fabric.run_for(20ms);
  const auto hit = f.fabric.start_call<std::int64_t>(1, other->look(f.bakery, "cake", 1000ms),
                                                     [&](auto& record) { seen = record.take(); });
  f.fabric.run_for(20ms);
  CHECK(f.asked("cake") == 1);  // the copy has answered
  CHECK_FALSE(*changed);
  CHECK_FALSE(*filled);
  CHECK_FALSE(*hit);
  const auto older = f.fabric.start_call<std::int64_t>(1, third->look(f.bakery, "tart", 1000ms), {});
  f.fabric.run_for(20ms);
  CHECK(*older);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *changed && *filled && *hit; }, 5s));
  CHECK(seen == 5);
}

TEST_CASE("cached: a change that is refused is in no copy afterwards", "[kernel]") {
  CachedFixture f;
  const auto taster = f.find_taster(true, 0);
  f.call(taster->stock_and_look(f.bakery, 100));
  f.fabric.run_for(2s);
  CHECK_THROWS_AS(f.call(taster->stock_and_look(f.bakery, 9 << 20)), StateTooLarge);
  CHECK(f.call(f.find_taster(true, 1)->look_at_flour(f.bakery)) == 100);
}

TEST_CASE("cached: a deadlock through a request that is shared is found", "[kernel]") {
  CachedFixture f;
  const bool is_at_home = GENERATE(false, true);
  CAPTURE(is_at_home);
  const auto holder = f.find_taster(is_at_home, 0);
  const auto asker = f.find_taster(is_at_home, 1);
  std::string result;
  const auto held = f.fabric.start_call<std::string>(1, holder->ask_and_wait(f.bakery),
                                                     [&](auto& record) { result = record.take(); });
  f.fabric.run_for(2ms);
  const auto asked = f.fabric.start_call<std::string>(1, asker->ask_for(f.bakery, holder), {});
  CHECK(f.fabric.run_until([&] { return *held && *asked; }, 2s));
  CHECK(result == "deadlock");
}

TEST_CASE("cached: for a client it is an ordinary call", "[kernel]") {
  CachedFixture f;
  CHECK(f.call(f.bakery.cached(1s)->price("cake")) == 1);
  CHECK(f.call(f.bakery.cached(1s)->price("cake")) == 1);
  CHECK(f.asked("cake") == 2);
}

TEST_CASE("cached: code that asks until it gets another answer lets others run, and time go on", "[kernel]") {
  testing_entities::KernelParts f;
  const auto waiting = f.begin(Ref<testing_entities::Caller>("a")->wait_for(Ref<testing_entities::Counter>("b"), 1));
  for (int i = 0; i < 20; ++i) {
    for (const kernel::ActivationId id : std::exchange(f.world.loads, {}))
      f.activations.on_loaded(id, kernel::LoadedState{});
    f.calls.run(4);
  }
  CHECK(f.calls.run(4));  // it goes on asking
  const auto added = f.begin(Ref<testing_entities::Counter>("b")->add(1));
  for (int i = 0; i < 4; ++i) f.calls.run(4);
  CHECK(added->state == kernel::Record::State::ended);
  CHECK(waiting->state != kernel::Record::State::ended);
  f.scheduler.now_ns += 1'000'000'000;
  for (int i = 0; i < 20; ++i) f.calls.run(4);
  CHECK(waiting->state == kernel::Record::State::ended);
  f.settle();
}
