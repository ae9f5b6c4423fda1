#include "kernel/batch.hpp"

#include <catch2/catch.hpp>

using namespace epic::kernel;

namespace {

Write write_of(const std::string& key, std::uint64_t version, std::optional<std::size_t> bytes) {
  Write write{.type = "Counter",
              .key = key,
              .shard = ShardId{1},
              .version = Version{version},
              .schema = SchemaId{7},
              .bytes = {}};
  if (bytes) write.bytes.emplace(*bytes);
  return write;
}

Batch batch_of(std::uint64_t number, std::uint64_t epoch, std::vector<Write> writes) {
  return {.number = CommitNumber{number},
          .epochs = {{ShardId{1}, Epoch{epoch}}},
          .schemas = {},
          .writes = std::move(writes)};
}

}  // namespace

TEST_CASE("batch: of two states of an entity the later one is kept, and its version", "[kernel]") {
  Batch batch = batch_of(1, 4, {write_of("a", 1, 10), write_of("b", 1, 10)});
  Batch next = batch_of(2, 4, {write_of("a", 2, 20), write_of("c", 1, 30)});
  REQUIRE(try_append(batch, next));
  CHECK(batch.number == CommitNumber{2});
  CHECK(batch.epochs.size() == 1);
  REQUIRE(batch.writes.size() == 3);
  CHECK(batch.writes[0].version == Version{2});
  CHECK(batch.writes[0].bytes->size() == 20);
  CHECK(batch.writes[1].key == "b");
  CHECK(batch.writes[2].key == "c");
}

TEST_CASE("batch: a removal takes the place of a state, and a state that of a removal", "[kernel]") {
  Batch batch = batch_of(1, 4, {write_of("a", 1, 10), write_of("b", 3, std::nullopt)});
  Batch next = batch_of(2, 4, {write_of("a", 2, std::nullopt), write_of("b", 4, 5)});
  REQUIRE(try_append(batch, next));
  REQUIRE(batch.writes.size() == 2);
  CHECK_FALSE(batch.writes[0].bytes);
  CHECK(batch.writes[1].bytes->size() == 5);
}

TEST_CASE("batch: what was made under another epoch of a shard does not join", "[kernel]") {
  Batch batch = batch_of(1, 4, {write_of("a", 1, 10)});
  Batch next = batch_of(2, 6, {write_of("a", 2, 20)});
  CHECK_FALSE(try_append(batch, next));
  CHECK(batch.number == CommitNumber{1});
  CHECK(batch.writes[0].bytes->size() == 10);
  CHECK(next.writes[0].bytes->size() == 20);
}
