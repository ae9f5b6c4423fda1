// Calls in flight, as the kernel describes them.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"
#include "test_entities.hpp"

using namespace epic;
using namespace epic::testing_entities;
using namespace std::chrono_literals;
using epic::kernel::CallView;
using epic::test::SimFabric;
using epic::test::SimOptions;

namespace {

struct CallViewsFixture {
  CallViewsFixture() : fabric(SimOptions{.seed = 7}, module(), codec) {}
  std::string key_on(std::uint16_t node, const std::string& type) {
    for (int i = 0;; ++i)
      if (fabric.owner_of(type + "/" + std::to_string(i)) == node) return std::to_string(i);
  }
  codec::CapnpCodec codec;
  SimFabric fabric;
};

}  // namespace

TEST_CASE("calls: a call that waits for a lock names the holder", "[kernel]") {
  CallViewsFixture f;
  const std::uint16_t owner = f.fabric.owner_of("Account/a");
  f.fabric.call(owner, Ref<Account>("a")->balance());
  f.fabric.start_call<std::int64_t>(owner, Ref<Account>("a")->deposit(1), {});
  f.fabric.start_call<std::int64_t>(owner, Ref<Account>("a")->deposit(2), {});
  f.fabric.run_for(1ms);
  const std::vector<CallView> calls = f.fabric.kernel(owner).calls("Account/a");
  REQUIRE(calls.size() == 2);
  CHECK(calls[0].state == "sleeping");
  CHECK(calls[0].caller == "client");
  const auto holder = calls[0].id;
  CHECK(calls[1].state == "waiting for the lock of Account/a, held by deposit " + std::to_string(holder.node.value) +
                              "." + std::to_string(holder.life) + "." + std::to_string(holder.sequence));
}

TEST_CASE("calls: a call between nodes has one id on both, and the callee knows its caller", "[kernel]") {
  CallViewsFixture f;
  const std::string caller = f.key_on(1, "Caller");
  const std::string counter = f.key_on(2, "Counter");
  f.fabric.call(1, Ref<Counter>(counter)->get());
  f.fabric.start_call<std::string>(1, Ref<Caller>(caller)->impatient(Ref<Counter>(counter)), {});
  f.fabric.run_for(3ms);
  const auto sent = f.fabric.kernel(1).calls("Counter/" + counter);
  const auto received = f.fabric.kernel(2).calls("Counter/" + counter);
  REQUIRE(sent.size() == 1);
  REQUIRE(received.size() == 1);
  CHECK(sent[0].state == "sent to node-2");
  CHECK(sent[0].sent_to == kernel::NodeId{2});
  CHECK(received[0].id == sent[0].id);
  CHECK(received[0].state == "sleeping");
  REQUIRE(received[0].waiting.size() == 1);
  CHECK(received[0].waiting[0].entity == "Caller/" + caller);
  CHECK(received[0].waiting[0].method == "impatient");
  const auto waiting = f.fabric.kernel(1).calls("Caller/" + caller);
  CHECK(std::ranges::count(waiting, received[0].waiting[0].id, &CallView::id) == 1);
}
