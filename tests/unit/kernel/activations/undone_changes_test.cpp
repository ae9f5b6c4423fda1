#include "kernel/activations/undone_changes.hpp"

#include <catch2/catch.hpp>

using namespace epic::kernel;

TEST_CASE("undone changes: each is reported once, to the first that asks", "[kernel]") {
  UndoneChanges undone;
  undone.note("Fat/a", ShardId{1}, "too large");
  CHECK_FALSE(undone.take("Fat/b"));
  CHECK(undone.take("Fat/a") == "too large");
  CHECK_FALSE(undone.take("Fat/a"));
}

TEST_CASE("undone changes: those of a shard that leaves are forgotten", "[kernel]") {
  UndoneChanges undone;
  undone.note("Fat/a", ShardId{1}, "too large");
  undone.note("Fat/b", ShardId{2}, "too large");
  undone.forget(ShardId{1});
  CHECK_FALSE(undone.take("Fat/a"));
  CHECK(undone.take("Fat/b"));
}

TEST_CASE("undone changes: at the limit the oldest is dropped", "[kernel]") {
  UndoneChanges undone;
  for (std::size_t i = 0; i <= limits::kUndoneChangesMax; ++i) undone.note(std::to_string(i), ShardId{0}, "too large");
  CHECK_FALSE(undone.take("0"));
  CHECK(undone.take("1"));
}
