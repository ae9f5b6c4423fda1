// What callers get while the store cannot write.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"
#include "test_entities.hpp"

using namespace epic;
using namespace epic::testing_entities;
using namespace std::chrono_literals;
using epic::test::SimFabric;
using epic::test::SimOptions;

namespace {

constexpr const char* kReason = "the disk of the store is full";

/// A counter on node 1, whose store can no longer write; calls time out after 2 s.
struct BlockedStoreFixture {
  BlockedStoreFixture() : fabric(SimOptions{.seed = 7, .call_timeout = 2s}, module(), codec) {
    while (fabric.owner_of("Counter/" + key) != 1) key += "a";
    fabric.call(1, Ref<Counter>(key)->get());
    fabric.hold_commits(true);
  }
  /// Makes a call as a client of `node`; holds how it ended, once it has.
  std::shared_ptr<std::string> start_add(std::uint16_t node) {
    auto end = std::make_shared<std::string>();
    fabric.start_call<std::int64_t>(node, Ref<Counter>(key)->add(1), [end](detail::ResultRecord<std::int64_t>& record) {
      try {
        *end = std::to_string(record.take());
      } catch (const Timeout& error) {
        *end = error.what();
      }
    });
    fabric.run_for(100ms);
    return end;
  }
  codec::CapnpCodec codec;
  SimFabric fabric;
  std::string key = "a";
};

}  // namespace

TEST_CASE("blocked store: a call whose change cannot be saved gets the reason at its deadline", "[kernel]") {
  const std::uint16_t client_node = GENERATE(1, 2);
  BlockedStoreFixture f;
  const auto end = f.start_add(client_node);
  f.fabric.kernel(1).on_store_blocked(kReason);
  f.fabric.run_for(1s);
  CHECK(*end == "");
  f.fabric.run_for(1s);
  CHECK_THAT(*end, Catch::Contains(kReason) && Catch::Contains("has run") && Catch::Contains("Counter/" + f.key));
}

TEST_CASE("blocked store: a call held back by the disk says so at its deadline", "[kernel]") {
  BlockedStoreFixture f;
  std::string caller = "c";
  while (f.fabric.owner_of("Caller/" + caller) != 1) caller += "c";
  std::string there = "d";
  while (f.fabric.owner_of("Counter/" + there) != 2) there += "d";
  auto end = std::make_shared<std::string>();
  f.fabric.start_call<std::string>(1, Ref<Caller>(caller)->impatient(Ref<Counter>(there)),
                                   [end](detail::ResultRecord<std::string>& record) { *end = record.take(); });
  f.fabric.run_for(1ms);
  const auto waiting = f.fabric.kernel(1).calls("Counter/" + there);
  REQUIRE(waiting.size() == 1);
  CHECK(waiting[0].state == "waiting for the store before it leaves this node");
  f.fabric.kernel(1).on_store_blocked(kReason);
  f.fabric.run_for(500ms);
  f.fabric.hold_commits(false);  // releases the caller's own answer
  f.fabric.run_for(100ms);
  CHECK_THAT(*end, Catch::Contains("it has not started") && Catch::Contains(kReason));
}

TEST_CASE("blocked store: the result is sent if there is room again before the deadline", "[kernel]") {
  BlockedStoreFixture f;
  const auto end = f.start_add(2);
  f.fabric.kernel(1).on_store_blocked(kReason);
  f.fabric.run_for(1s);
  f.fabric.hold_commits(false);
  f.fabric.run_for(100ms);
  CHECK(*end == "1");
}

TEST_CASE("blocked store: new work is refused with the reason until the store can write again", "[kernel]") {
  BlockedStoreFixture f;
  f.fabric.kernel(1).on_store_blocked(kReason);
  CHECK_THROWS_WITH(f.fabric.call(1, Ref<Counter>(f.key)->get()), Catch::Contains(kReason));
  f.fabric.kernel(1).on_store_unblocked();
  CHECK(f.fabric.call(1, Ref<Counter>(f.key)->get()) == 0);
}

TEST_CASE("blocked store: a change whose call timed out is not lost: it is saved later", "[kernel]") {
  BlockedStoreFixture f;
  const auto end = f.start_add(1);
  f.fabric.kernel(1).on_store_blocked(kReason);
  f.fabric.run_for(3s);
  CHECK_THAT(*end, Catch::Contains("it may be later"));
  f.fabric.hold_commits(false);
  f.fabric.run_for(100ms);
  f.fabric.kill(1);
  f.fabric.run_for(1s);  // until the other nodes know
  CHECK(f.fabric.call(2, Ref<Counter>(f.key)->get()) == 1);
}
