#include "kernel/ids.hpp"

#include <catch2/catch.hpp>

using namespace epic::kernel;

TEST_CASE("ids: next() counts up by one, and ids compare", "[kernel]") {
  CHECK(Epoch{4}.next() == Epoch{5});
  CHECK(Epoch{4} < Epoch{5});
  CHECK(fmt::format("{}", ShardId{7}) == "7");
}
