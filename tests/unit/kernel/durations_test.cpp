// Durations that do not fit the kernel's nanoseconds: as long as possible, never negative.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/kernel.hpp"
#include "support/sim_fabric.hpp"
#include "test_entities.hpp"

using namespace epic;
using namespace epic::testing_entities;
using namespace std::chrono_literals;
using epic::detail::saturated_ns;
using std::chrono::nanoseconds;

TEST_CASE("durations: what is out of range becomes the nearest in range, the rest keeps its value", "[kernel]") {
  CHECK(saturated_ns(std::chrono::years(300)) == nanoseconds::max());
  CHECK(saturated_ns(std::chrono::years(-300)) == nanoseconds::min());
  CHECK(saturated_ns(std::chrono::hours::max()) == nanoseconds::max());
  CHECK(saturated_ns(std::chrono::seconds::min()) == nanoseconds::min());
  CHECK(saturated_ns(nanoseconds::max()) == nanoseconds::max());
  CHECK(saturated_ns(nanoseconds::min()) == nanoseconds::min());
  CHECK(saturated_ns(std::chrono::years(290)) == std::chrono::years(290));
  CHECK(saturated_ns(-5ms) == -5ms);
  CHECK(saturated_ns(std::chrono::duration<std::uint64_t>(UINT64_MAX)) == nanoseconds::max());
}

TEST_CASE("durations: a call with a deadline in 300 years is answered, one with no time left times out", "[kernel]") {
  codec::CapnpCodec codec;
  test::SimFabric fabric({.seed = 5}, module(), codec);
  for (int key = 0; key < 6; ++key) {  // on this node and on others
    const Ref<Counter> counter(key);
    CHECK(fabric.call(1, counter.with(std::chrono::years(300))->add_slowly(1)) == 1);
    CHECK_THROWS_AS(fabric.call(1, counter.with(0s)->add_slowly(1)), Timeout);
    CHECK_THROWS_AS(fabric.call(1, counter.with(-1s)->add_slowly(1)), Timeout);
  }
}

TEST_CASE("durations: sleeping for 300 years does not end at once", "[kernel]") {
  codec::CapnpCodec codec;
  test::SimFabric fabric({.seed = 5, .nodes = 1}, module(), codec);
  const auto ended = fabric.start_call<void>(1, Ref<Counter>("a").with(1h)->doze_for_years(300), [](auto&) {});
  fabric.run_for(1min);
  CHECK_FALSE(*ended);
}
