#include "kernel/placement_hash.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace epic::kernel;

TEST_CASE("placement hash: the shards of known names never change", "[kernel]") {
  CHECK(shard_of("Player", "Bob", 64) == shard_of("Player/Bob", 64));
  CHECK(shard_of("Player/Bob", 1) == ShardId{0});
  // xxh64 of the name with seed 0, computed independently.
  CHECK(shard_of("Player/Bob", 64) == ShardId{14});
  CHECK(shard_of("Barrel/0", 64) == ShardId{6});
}

TEST_CASE("placement hash: entities of a type with the same tag share a shard", "[kernel]") {
  const auto shard = shard_of("Room", "{lobby}", 1000);
  CHECK(shard_of("Room", "{lobby}:7", 1000) == shard);
  CHECK(shard_of("Room/a{lobby}b{other}", 1000) == shard);
  CHECK(shard_of("Room/lobby", 1000) == shard);
  CHECK(shard_of("Room/{other}", 1000) != shard);
}

TEST_CASE("placement hash: empty or unbalanced braces are not a tag", "[kernel]") {
  CHECK(placement_key("{}") == "{}");
  CHECK(placement_key("a{b") == "a{b");
  CHECK(placement_key("a}b{") == "a}b{");
  CHECK(placement_key("{}{x}") == "x");
  CHECK(placement_key("") == "");
}

TEST_CASE("placement hash: keys may hold slashes and any byte", "[kernel]") {
  CHECK(shard_of("File/a/b/c", 512) == shard_of("File", "a/b/c", 512));
  CHECK(shard_of("File/{a/b}/c", 512) == shard_of("File", "a/b", 512));
}

TEST_CASE("placement hash: numbered entities spread over all shards", "[kernel]") {
  std::set<ShardId> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(shard_of("Barrel", std::to_string(i), 64));
  CHECK(seen.size() == 64);
}
