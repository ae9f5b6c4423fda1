#include "kernel/placement.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace epic::kernel;

TEST_CASE("placement: the shards of known names never change", "[kernel]") {
  CHECK(ungrouped(64).shard_of("Player", "Bob") == ungrouped(64).shard_of("Player/Bob"));
  CHECK(ungrouped(1).shard_of("Player/Bob") == ShardId{0});
  // xxh64 of the name with seed 0, computed independently.
  CHECK(ungrouped(64).shard_of("Player/Bob") == ShardId{14});
  CHECK(ungrouped(64).shard_of("Barrel/0") == ShardId{6});
}

TEST_CASE("placement: entities of a type with the same tag share a shard", "[kernel]") {
  const auto shard = ungrouped(1000).shard_of("Room", "{lobby}");
  CHECK(ungrouped(1000).shard_of("Room", "{lobby}:7") == shard);
  CHECK(ungrouped(1000).shard_of("Room/a{lobby}b{other}") == shard);
  CHECK(ungrouped(1000).shard_of("Room/lobby") == shard);
  CHECK(ungrouped(1000).shard_of("Room/{other}") != shard);
}

TEST_CASE("placement: empty or unbalanced braces are not a tag", "[kernel]") {
  CHECK(placement_key("{}") == "{}");
  CHECK(placement_key("a{b") == "a{b");
  CHECK(placement_key("a}b{") == "a}b{");
  CHECK(placement_key("{}{x}") == "x");
  CHECK(placement_key("") == "");
}

TEST_CASE("placement: keys may hold slashes and any byte", "[kernel]") {
  CHECK(ungrouped(512).shard_of("File/a/b/c") == ungrouped(512).shard_of("File", "a/b/c"));
  CHECK(ungrouped(512).shard_of("File/{a/b}/c") == ungrouped(512).shard_of("File", "a/b"));
}

TEST_CASE("placement: numbered entities spread over all shards", "[kernel]") {
  std::set<ShardId> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(ungrouped(64).shard_of("Barrel", std::to_string(i)));
  CHECK(seen.size() == 64);
}
