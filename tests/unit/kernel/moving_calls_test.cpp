// Several kernels under simulation: calls that run while their shards move, and how such moves end.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/errors.hpp"
#include "kernel/placement.hpp"
#include "moving_entities.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace epic::testing_entities;

namespace {

struct MovingFixture {
  codec::CapnpCodec codec;
  test::SimFabric fabric{{.seed = 5}, pings(), codec};

  std::string find_key(const std::string& stem, const std::function<bool(const std::string&)>& is_meant) {
    for (int i = 0;; ++i)
      if (const std::string key = stem + std::to_string(i); is_meant(key)) return key;
  }
  /// A key whose Ping is on this node.
  std::string key_on(std::uint16_t node, const std::string& stem) {
    return find_key(stem, [&](const std::string& key) { return fabric.owner_of("Ping/" + key) == node; });
  }
  void move(const std::string& key, std::uint16_t to) { fabric.move_shard(ungrouped(16).shard_of("Ping", key), to); }
};

}  // namespace

TEST_CASE("shard moves: a chain of calls that comes back to a shard on its way ends, and so does the move",
          "[kernel]") {
  MovingFixture f;
  f.fabric.run_for(100ms);
  for (const std::uint16_t other : {1, 2}) {
    CAPTURE(other);
    const std::string a = f.key_on(1, "a" + std::to_string(other));
    const std::string b = f.key_on(other, "b");
    const auto ended = f.fabric.start_call<std::int64_t>(1, Ref<Ping>(a)->volley(Ref<Ping>(b)),
                                                         [](auto& record) { CHECK(record.take() == 2); });
    f.fabric.run_for(5ms);
    f.move(a, 3);
    f.fabric.run_for(1ms);  // until its node knows
    const auto later =
        f.fabric.start_call<std::int64_t>(2, Ref<Ping>(a)->touch(), [](auto& record) { CHECK(record.take() == 3); });
    CHECK(f.fabric.run_until([&] { return *ended && *later; }, 1s));
    CHECK(f.fabric.owner_of("Ping/" + a) == 3);
    f.move(a, 1);
    CHECK(f.fabric.run_until([&] { return f.fabric.owner_of("Ping/" + a) == 1; }, 1s));
  }
}

TEST_CASE("shard moves: an entity that is always busy moves all the same", "[kernel]") {
  MovingFixture f;
  f.fabric.run_for(100ms);
  const std::string a = f.key_on(1, "a");
  const std::string busy = f.key_on(1, "busy");
  REQUIRE(ungrouped(16).shard_of("Ping", a) != ungrouped(16).shard_of("Ping", busy));
  f.fabric.start_call<void>(1, Ref<Ping>(busy).with(1h)->keep_busy(Ref<Ping>(a)), {});
  f.fabric.run_for(50ms);
  f.move(a, 3);
  CHECK(f.fabric.run_until([&] { return f.fabric.owner_of("Ping/" + a) == 3; }, 1s));
  CHECK(f.fabric.call(2, Ref<Ping>(a)->touch()) == 1);
}

TEST_CASE("shard moves: a move does not wait for a call that waits for the move", "[kernel]") {
  MovingFixture f;
  f.fabric.run_for(100ms);
  // One calls Two, which is busy with a call to an entity in One's shard.
  const auto lies_on = [&](std::uint16_t node) {
    return [&f, node](const std::string& key) { return f.fabric.owner_of("Desk/" + key) == node; };
  };
  const std::string one = f.find_key("one", lies_on(1));
  const std::string two = f.find_key("two", lies_on(2));
  const ShardId shard = ungrouped(16).shard_of("Desk", one);
  const std::string beside =
      f.find_key("beside", [&](const std::string& key) { return ungrouped(16).shard_of("Desk", key) == shard; });
  const auto first = f.fabric.start_call<std::int64_t>(3, Ref<Desk>(one)->settle(Ref<Desk>(two)),
                                                       [](auto& record) { CHECK(record.take() == 1); });
  const auto second = f.fabric.start_call<std::int64_t>(3, Ref<Desk>(two)->settle(Ref<Desk>(beside)),
                                                        [](auto& record) { CHECK(record.take() == 1); });
  f.fabric.run_for(5ms);
  f.fabric.move_shard(shard, 3);
  CHECK(f.fabric.run_until([&] { return *first && *second; }, 200ms));
  CHECK(f.fabric.run_until([&] { return f.fabric.owner_of("Desk/" + one) == 3; }, 200ms));
}

TEST_CASE("shard moves: what always waits for calls is ended as well", "[kernel]") {
  MovingFixture f;
  f.fabric.run_for(100ms);
  const std::string busy = f.key_on(1, "busy");
  const std::string other = f.key_on(2, "other");
  ErrorCode code{};
  f.fabric.start_call<void>(1, Ref<Ping>(busy).with(1h)->keep_busy(Ref<Ping>(other)), [&](Record& record) {
    if (record.failure) code = describe_failure(record.failure).code;
  });
  f.fabric.run_for(50ms);
  f.move(busy, 3);
  f.fabric.run_for(limits::kGrace - 1s);
  CHECK(f.fabric.owner_of("Ping/" + busy) == 1);
  CHECK(f.fabric.run_until([&] { return f.fabric.owner_of("Ping/" + busy) == 3; }, 10s));
  CHECK(code == ErrorCode::node_lost);
}

TEST_CASE("shard moves: what runs for too long is ended, and what it had changed is saved", "[kernel]") {
  MovingFixture f;
  f.fabric.run_for(100ms);
  const std::string a = f.key_on(1, "a");
  ErrorCode code{};
  const auto ended = f.fabric.start_call<void>(2, Ref<Ping>(a).with(1h)->sleep_long(), [&](Record& record) {
    if (record.failure) code = describe_failure(record.failure).code;
  });
  f.fabric.run_for(50ms);
  f.move(a, 3);
  const auto waiting =
      f.fabric.start_call<std::int64_t>(2, Ref<Ping>(a)->get(), [](auto& record) { CHECK(record.take() == 1); });
  f.fabric.run_for(limits::kGrace - 1s);
  CHECK_FALSE(*ended);
  CHECK(f.fabric.run_until([&] { return *ended && *waiting; }, 2s));
  CHECK(code == ErrorCode::node_lost);  // it had started
  CHECK(f.fabric.owner_of("Ping/" + a) == 3);
}
