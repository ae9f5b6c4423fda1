#include "kernel/batch.hpp"

#include <catch2/catch.hpp>

using namespace epic::kernel;

namespace {

Operation put_of(const std::string& key, std::uint64_t version, std::size_t bytes) {
  return PutSnapshot{.type = "Counter",
                     .key = key,
                     .shard = ShardId{1},
                     .version = Version{version},
                     .replaces = Version{version - 1},
                     .schema = SchemaId{7},
                     .bytes = std::vector<std::byte>(bytes)};
}

Operation erasure_of(const std::string& key, std::uint64_t version) {
  return EraseSnapshot{.type = "Counter",
                       .key = key,
                       .shard = ShardId{1},
                       .version = Version{version},
                       .replaces = Version{version - 1}};
}

Batch batch_of(std::uint64_t number, std::uint64_t epoch, std::vector<Operation> operations) {
  return {.number = CommitNumber{number},
          .writer = Incarnation{9},
          .epochs = {{ShardId{1}, Epoch{epoch}}},
          .schemas = {},
          .operations = std::move(operations)};
}

}  // namespace

TEST_CASE("batch: of two states of an entity the later one is kept, on the row that the older one replaces",
          "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 5, 10), put_of("b", 1, 10)});
  Batch next = batch_of(2, 4, {put_of("a", 6, 20), put_of("c", 1, 30)});
  REQUIRE(try_append(batch, next));
  CHECK(batch.number == CommitNumber{2});
  CHECK(batch.epochs.size() == 1);
  REQUIRE(batch.operations.size() == 3);
  const auto& first = std::get<PutSnapshot>(batch.operations[0]);
  CHECK(first.version == Version{6});
  CHECK(first.replaces == Version{4});
  CHECK(first.bytes.size() == 20);
  CHECK(std::get<PutSnapshot>(batch.operations[1]).key == "b");
  CHECK(std::get<PutSnapshot>(batch.operations[2]).key == "c");
}

TEST_CASE("batch: an erasure takes the place of a state, and a state that of an erasure", "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 1, 10), erasure_of("b", 3)});
  Operation anew = put_of("b", 4, 5);
  std::get<PutSnapshot>(anew).replaces = Version{0};
  Batch next = batch_of(2, 4, {erasure_of("a", 2), anew});
  REQUIRE(try_append(batch, next));
  REQUIRE(batch.operations.size() == 2);
  CHECK(std::get<EraseSnapshot>(batch.operations[0]).replaces == Version{0});  // it was never written
  CHECK(std::get<EraseSnapshot>(batch.operations[0]).version == Version{2});
  CHECK(std::get<PutSnapshot>(batch.operations[1]).replaces == Version{2});  // it still has its row
  CHECK(bytes_of(batch.operations[1]) == 5);
}

TEST_CASE("batch: three changes of one entity become one", "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 1, 10)});
  Batch second = batch_of(2, 4, {put_of("a", 2, 20)});
  Batch third = batch_of(3, 4, {put_of("a", 3, 30)});
  REQUIRE(try_append(batch, second));
  REQUIRE(try_append(batch, third));
  REQUIRE(batch.operations.size() == 1);
  CHECK(bytes_of(batch.operations[0]) == 30);
  CHECK(std::get<PutSnapshot>(batch.operations[0]).replaces == Version{0});
}

TEST_CASE("batch: what was made under another epoch of a shard does not join", "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 1, 10)});
  Batch next = batch_of(2, 6, {put_of("a", 2, 20)});
  CHECK_FALSE(try_append(batch, next));
  CHECK(batch.number == CommitNumber{1});
  CHECK(bytes_of(batch.operations[0]) == 10);
  CHECK(bytes_of(next.operations[0]) == 20);
}
