#include "kernel/kernel.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"
#include "test_entities.hpp"

using namespace epic;
using namespace epic::testing_entities;
using namespace std::chrono_literals;
using epic::test::SimFabric;
using epic::test::SimOptions;

namespace {

struct KernelFixture {
  explicit KernelFixture(SimOptions options = {.seed = 7}) : fabric(options, module(), codec) {}
  codec::CapnpCodec codec;
  SimFabric fabric;
};

/// A key of Counter whose owner is (or is not) the node that owns `entity`.
std::string key_owned(SimFabric& fabric, std::string_view type, std::uint16_t node) {
  for (int i = 0;; ++i)
    if (fabric.owner_of(std::string(type) + "/" + std::to_string(i)) == node) return std::to_string(i);
}

}  // namespace

TEST_CASE("kernel: the first call activates an entity, later ones find it as it was", "[kernel]") {
  KernelFixture f;
  const Ref<Counter> counter("a");
  CHECK(f.fabric.call(1, counter->add(2)) == 2);
  CHECK(f.fabric.call(2, counter->add(3)) == 5);
  CHECK(f.fabric.call(3, counter->get()) == 5);
  CHECK(f.fabric.call(3, counter->who()) == "a");
}

TEST_CASE("kernel: a call crosses nodes with its arguments and its result", "[kernel]") {
  KernelFixture f;
  const std::string here = key_owned(f.fabric, "Caller", 1);
  const std::string there = key_owned(f.fabric, "Counter", 2);
  CHECK(f.fabric.call(3, Ref<Caller>(here)->add_to(Ref<Counter>(there), 41)) == 41);
  CHECK(f.fabric.kernel(1).activations().find("Caller/" + here) != nullptr);
  CHECK(f.fabric.kernel(2).activations().find("Counter/" + there) != nullptr);
}

TEST_CASE("kernel: an exception of the standard library arrives the same way from this node and from another",
          "[kernel]") {
  KernelFixture f;
  const Ref<Caller> caller(key_owned(f.fabric, "Caller", 1));
  CHECK(f.fabric.call(1, caller->catch_failure(Ref<Counter>(key_owned(f.fabric, "Counter", 1)))) ==
        "here: no barrels left");
  CHECK(f.fabric.call(1, caller->catch_failure(Ref<Counter>(key_owned(f.fabric, "Counter", 2)))) ==
        "here: no barrels left");
}

TEST_CASE("kernel: an exception without a text names entity, method and type, on every node", "[kernel]") {
  KernelFixture f;
  for (const std::uint16_t node : {1, 2, 3})
    CHECK_THROWS_WITH(f.fabric.call(node, Ref<Counter>("a")->fail("")), "Counter/a.fail threw std::invalid_argument");
}

TEST_CASE("kernel: a method that throws keeps its earlier changes", "[kernel]") {
  KernelFixture f;
  const Ref<Counter> counter("a");
  CHECK_THROWS_AS(f.fabric.call(f.fabric.owner_of("Counter/a"), counter->fail("x")), std::invalid_argument);
  CHECK(f.fabric.call(1, counter->get()) == 1);
}

TEST_CASE("kernel: calls between two entities start in the order in which they were made", "[kernel]") {
  const std::uint16_t callee_node = GENERATE(1, 2);
  KernelFixture f;
  const Ref<Caller> caller(key_owned(f.fabric, "Caller", 1));
  const auto results =
      f.fabric.call(1, caller->add_in_order(Ref<Counter>(key_owned(f.fabric, "Counter", callee_node)), 100));
  REQUIRE(results.size() == 100);
  for (std::size_t i = 0; i < results.size(); ++i) CHECK(results[i] == static_cast<std::int64_t>(i) + 1);
}

TEST_CASE("kernel: a chain of local calls neither overflows the stack nor starves the run queue", "[kernel]") {
  KernelFixture f;
  const Ref<Caller> caller(key_owned(f.fabric, "Caller", 1));
  const Ref<Counter> counter(key_owned(f.fabric, "Counter", 1));
  CHECK(f.fabric.call(1, caller->call_many(counter, 200'000)) == 200'000);
}

TEST_CASE("kernel: gather collects results from all nodes", "[kernel]") {
  KernelFixture f;
  std::vector<Ref<Counter>> counters;
  for (int i = 0; i < 20; ++i) {
    counters.emplace_back(i);
    f.fabric.call(1, counters.back()->add(i));
  }
  CHECK(f.fabric.call(2, Ref<Caller>("c")->sum(counters)) == 190);
}

TEST_CASE("kernel: methods interleave at yield points, exclusive ones do not", "[kernel]") {
  KernelFixture f;
  for (int i = 0; i < 3; ++i) f.fabric.start_call<std::int64_t>(1, Ref<Counter>("a")->add_slowly(1), {});
  for (int i = 0; i < 3; ++i) f.fabric.start_call<std::int64_t>(1, Ref<Account>("a")->deposit(1), {});
  f.fabric.run_for(1s);
  CHECK(f.fabric.call(1, Ref<Counter>("a")->get()) == 1);
  CHECK(f.fabric.call(1, Ref<Account>("a")->balance()) == 3);
}

TEST_CASE("kernel: a call that would wait for itself gets Deadlock at once, a const one enters", "[kernel]") {
  KernelFixture f;
  const Ref<Account> account("a");
  CHECK(f.fabric.call(1, account->deposit(5)) == 5);
  CHECK(f.fabric.call(1, account->read_through_lock()) == 5);
  const auto before = f.fabric.now();
  try {
    f.fabric.call(f.fabric.owner_of("Account/a"), account->deposit_twice(1));
    FAIL("no deadlock was found");
  } catch (const Deadlock& error) {
    CHECK_THAT(error.what(), Catch::Contains("Account/a.deposit"));
    CHECK_THAT(error.what(), Catch::Contains("Account/a.deposit_twice"));
  }
  CHECK(f.fabric.now() - before < 1s);
}

TEST_CASE("kernel: a deadline ends the wait, not the method, and says who waited for whom", "[kernel]") {
  const std::uint16_t callee_node = GENERATE(1, 2);
  KernelFixture f;
  const std::string key = key_owned(f.fabric, "Counter", callee_node);
  const Ref<Caller> caller(key_owned(f.fabric, "Caller", 1));
  f.fabric.call(1, Ref<Counter>(key)->get());
  const std::string message = f.fabric.call(1, caller->impatient(Ref<Counter>(key)));
  CHECK_THAT(message, Catch::Contains("Caller/" + std::string(caller.key()) + ".impatient"));
  CHECK_THAT(message, Catch::Contains("6 ms"));
  CHECK_THAT(message, Catch::Contains("Counter/" + key + ".add_slowly"));
  f.fabric.run_for(1s);
  CHECK(f.fabric.call(1, Ref<Counter>(key)->get()) == 1);
}

TEST_CASE("kernel: who waits for a lock no longer keeps nobody from sharing it", "[kernel]") {
  KernelFixture f;
  const Ref<Gallery> gallery(key_owned(f.fabric, "Gallery", 1));
  f.fabric.start_call<void>(1, gallery->look(), {});
  f.fabric.run_for(1ms);
  const auto refused =
      f.fabric.start_call<void>(1, gallery.with(10ms)->hang(), [](auto& record) { CHECK(record.failure); });
  f.fabric.run_for(1ms);
  const auto looked = f.fabric.start_call<void>(1, gallery->look(), {});
  CHECK(f.fabric.run_until([&] { return *refused && *looked; }, 75ms));
}

TEST_CASE("kernel: an unknown class or method is refused with the nearest name", "[kernel]") {
  KernelFixture f;
  const auto no_type = f.fabric.kernel(1).make_call("Countr", "a", "get");
  REQUIRE_FALSE(no_type.has_value());
  CHECK(no_type.error().code() == ErrorCode::no_such_type);
  CHECK_THAT(no_type.error().what(), Catch::Contains("'Counter'"));
  const auto no_method = f.fabric.kernel(1).make_call("Counter", "a", "gte");
  REQUIRE_FALSE(no_method.has_value());
  CHECK_THAT(no_method.error().what(), Catch::Contains("'get'"));
}

TEST_CASE("kernel: an activation that fails fails its calls, and nothing else", "[kernel]") {
  KernelFixture f;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Blob>("broken")->size()), ActivationFailed);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Blob>("broken")->size()), ActivationFailed);
  CHECK(f.fabric.call(1, Ref<Blob>("fine")->is_started()));
}

TEST_CASE("kernel: call_id names the call the same way on both sides of a retry, and differs between calls",
          "[kernel]") {
  KernelFixture f;
  const std::string first = f.fabric.call(1, Ref<Caller>("a")->id());
  const std::string second = f.fabric.call(1, Ref<Caller>("a")->id());
  CHECK_FALSE(first.empty());
  CHECK(first != second);
}

TEST_CASE("kernel: idle entities are collected and come back as they were", "[kernel]") {
  KernelFixture f({.seed = 3, .idle_age = 5s});
  const std::uint16_t owner = f.fabric.owner_of("Counter/a");
  CHECK(f.fabric.call(1, Ref<Counter>("a")->add(4)) == 4);
  f.fabric.run_for(20s);
  CHECK(f.fabric.kernel(owner).activations().size() == 0);
  CHECK(f.fabric.call(2, Ref<Counter>("a")->get()) == 4);
}

TEST_CASE("kernel: beyond the memory budget those that were used the longest ago go, and come back as they were",
          "[kernel]") {
  constexpr std::uint64_t kBudget = 64'000;
  KernelFixture f({.seed = 3, .nodes = 1, .memory_budget_bytes = kBudget});
  for (int i = 0; i < 400; ++i) {
    f.fabric.call(1, Ref<Counter>(i)->add(i));
    if (i % 10 == 0) f.fabric.call(1, Ref<Counter>("favourite")->add(1));
    f.fabric.run_for(5ms);
  }
  f.fabric.run_for(1s);
  kernel::Kernel& kernel = f.fabric.kernel(1);
  CHECK(kernel.stats().memory_bytes <= kBudget);
  CHECK(kernel.stats().memory_bytes > kBudget / 2);
  CHECK(kernel.activations().find("Counter/favourite") != nullptr);
  CHECK(kernel.activations().find("Counter/399") != nullptr);
  CHECK(kernel.activations().find("Counter/1") == nullptr);
  for (int i = 0; i < 400; ++i) CHECK(f.fabric.call(1, Ref<Counter>(i)->get()) == i);
}

TEST_CASE("kernel: what runs is never collected, however little memory there is", "[kernel]") {
  KernelFixture f({.seed = 3, .nodes = 1, .memory_budget_bytes = 1});
  int ended = 0;
  for (int i = 0; i < 20; ++i)
    f.fabric.start_call<std::int64_t>(1, Ref<Counter>(i)->add_slowly(1), [&](auto& record) {
      record.take();
      ++ended;
    });
  CHECK(f.fabric.run_until([&] { return ended == 20; }, 10s));
  f.fabric.run_for(5s);
  CHECK(f.fabric.kernel(1).activations().size() == 0);
  CHECK(f.fabric.kernel(1).stats().memory_bytes == 0);
}

TEST_CASE("kernel: far above the memory budget new work is refused, and what runs can make its calls", "[kernel]") {
  constexpr std::uint64_t kBudget = 64u << 20;
  KernelFixture f({.seed = 3, .nodes = 1, .memory_budget_bytes = kBudget});
  const auto running = f.fabric.start_call<std::int64_t>(1, Ref<Account>("a")->deposit_twice(5), {});
  kernel::Kernel& kernel = f.fabric.kernel(1);
  f.fabric.run_until([&] { return kernel.activations().find("Account/a") != nullptr; });
  f.fabric.run_for(1ms);  // it is in its first call
  REQUIRE_FALSE(*running);
  kernel.on_memory(kBudget + (40u << 20));
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Counter>("b")->add(1)), Overloaded);
  CHECK(f.fabric.run_until([&] { return *running; }));
  kernel.on_memory(kBudget + (10u << 20));  // idle entities go first
  CHECK(f.fabric.call(1, Ref<Counter>("b")->add(1)) == 1);
}

TEST_CASE("kernel: calls are refused while those in flight take all the memory that they may have", "[kernel]") {
  KernelFixture f({.seed = 3, .nodes = 1, .calls_bytes_max = 4u << 20});
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  int refused = 0;
  int ended = 0;
  for (int i = 0; i < 20'000; ++i)
    f.fabric.start_call<std::int64_t>(1, Ref<Counter>("a")->add_slowly(1), [&](auto& record) {
      ++ended;
      try {
        record.take();
      } catch (const Overloaded& error) {
        ++refused;
        CHECK_THAT(error.what(), Catch::Contains("calls in flight on this node take"));
      }
    });
  CHECK(f.fabric.run_until([&] { return ended == 20'000; }, 60s));
  CHECK(refused > 0);
  CHECK(refused < 20'000);
  CHECK(f.fabric.call(1, Ref<Counter>("a")->add(0)) > 0);
}

TEST_CASE("kernel: a drain leaves what is saved and idle in memory, and saves the rest", "[kernel]") {
  KernelFixture f({.seed = 3, .nodes = 1});
  for (int i = 0; i < 50; ++i) f.fabric.call(1, Ref<Counter>(i)->add(i));
  kernel::Kernel& kernel = f.fabric.kernel(1);
  bool is_ended = false;
  f.fabric.start_call<std::int64_t>(1, Ref<Counter>("slow")->add_slowly(7), [&](auto&) { is_ended = true; });
  f.fabric.run_for(5ms);
  kernel.on_drain();
  CHECK_FALSE(kernel.is_drained());
  CHECK(f.fabric.run_until([&] { return kernel.is_drained(); }, 5s));
  CHECK(is_ended);
  CHECK(kernel.activations().find("Counter/slow") == nullptr);
  CHECK(kernel.activations().find("Counter/7") != nullptr);
}

TEST_CASE("kernel: calls that wait for calls end when a node that stops cuts them short, and nothing of them goes on",
          "[kernel]") {
  KernelFixture f({.seed = 3, .nodes = 1});
  int ended = 0;
  for (int i = 0; i < 5; ++i)
    f.fabric.start_call<std::int64_t>(1, Ref<Account>(i)->deposit_twice(1), [&](auto&) { ++ended; });
  f.fabric.run_for(5ms);
  kernel::Kernel& kernel = f.fabric.kernel(1);
  kernel.on_drain();
  kernel.abort_running("the node stops");
  CHECK(f.fabric.run_until([&] { return ended == 5 && kernel.is_drained(); }, 5s));
}

TEST_CASE("kernel: a node that stops still activates what a call spawns and awaits later", "[kernel]") {
  KernelFixture f({.seed = 3, .nodes = 1});
  f.fabric.call(1, Ref<Relay>("r")->tell(Ref<Counter>("a")));
  kernel::Kernel& kernel = f.fabric.kernel(1);
  std::int64_t result = 0;
  f.fabric.start_call<std::int64_t>(1, Ref<Relay>("r")->add_beside(Ref<Counter>("b"), 7),
                                    [&](auto& record) { result = record.outcome.value.value_or(-1); });
  kernel.on_drain();
  CHECK(f.fabric.run_until([&] { return kernel.is_drained(); }, 5s));
  CHECK(result == 7);
}

TEST_CASE("kernel: equal seeds give equal runs, other seeds others", "[kernel][sim]") {
  const auto run = [](std::uint64_t seed) {
    KernelFixture f({.seed = seed});
    for (int i = 0; i < 50; ++i) f.fabric.call(static_cast<std::uint16_t>(i % 3 + 1), Ref<Counter>(i % 7)->add(i));
    f.fabric.kill(2);
    f.fabric.run_for(1s);
    for (int i = 0; i < 20; ++i) f.fabric.call(1, Ref<Counter>(i)->touch());
    return std::pair(f.fabric.digest(), f.fabric.event_count());
  };
  CHECK(run(11) == run(11));
  CHECK(run(11).first != run(12).first);
}

TEST_CASE("kernel: a const method enters by its chain's lock, also when it is gathered", "[kernel]") {
  KernelFixture f;
  const std::chrono::nanoseconds begin = f.fabric.now();
  f.fabric.call(1, Ref<Gallery>("g")->hang_and_look());
  CHECK(f.fabric.now() - begin < 80ms);  // both ran at the same time, for 50 ms
}

TEST_CASE("kernel: a sleep without end does not end", "[kernel]") {
  KernelFixture f;
  const auto ended = f.fabric.start_call<void>(1, Ref<Counter>("a").with(1h)->doze(), {});
  f.fabric.run_for(1s);
  CHECK_FALSE(*ended);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Counter>("a").with(1s)->doze()), Timeout);
}

TEST_CASE("kernel: calls with equal deadlines of their own end in the order in which they were made", "[kernel]") {
  KernelFixture f({.seed = 7, .nodes = 1});
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  std::vector<int> order;
  for (int round = 0; round < 2; ++round) {  // the second round reuses memory of the first
    order.clear();
    for (int i = 0; i < 50; ++i)
      f.fabric.start_call<std::int64_t>(1, Ref<Counter>("a").with(5ms)->add_slowly(1),
                                        [&order, i](auto&) { order.push_back(i); });
    REQUIRE(f.fabric.run_until([&] { return order.size() == 50; }));
    CHECK(std::ranges::is_sorted(order));
  }
}

TEST_CASE("kernel: activations are counted by class, in memory and in all", "[kernel]") {
  KernelFixture f;
  const std::string key = key_owned(f.fabric, "Counter", 1);
  f.fabric.call(1, Ref<Counter>(key)->touch());
  const kernel::TypeEntry* const counter = f.fabric.kernel(1).types().find("Counter");
  CHECK(counter->counters == kernel::ClassCounters{.entities = 1, .activated = 1});
  CHECK(f.fabric.kernel(1).types().find("Caller")->counters == kernel::ClassCounters{});
  f.fabric.run_for(2 * kernel::limits::kIdleAge);
  CHECK(counter->counters == kernel::ClassCounters{.entities = 0, .activated = 1});
}
