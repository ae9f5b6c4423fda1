#pragma once
// What the storage tests share: stores with a stopped clock, and batches in one line.

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "storage/memory_store.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/store.hpp"
#include "support/temp_dir.hpp"

namespace epic::storage::test {

using epic::test::TempDir;

inline constexpr std::uint16_t kShardCount = 8;
inline constexpr kernel::SchemaId kSchema{0xfedc'ba98'7654'3210};
inline const auto kNow = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));

inline OpenOptions creating() {
  return {.mode = OpenMode::create, .shard_count = kShardCount, .wall_clock = [] { return kNow; }};
}

inline OpenOptions reading() { return {.mode = OpenMode::read_only}; }

/// The value; fails the test with the error if there is one.
template <class T>
T must(std::expected<T, StoreError> result) {
  if (!result) FAIL("unexpected error: " << result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// The error; fails the test if there is none.
template <class T>
StoreError error_of(std::expected<T, StoreError> result) {
  if (result) FAIL("this should have failed");
  return result.error();
}

inline std::unique_ptr<SqliteStore> open_sqlite(const std::filesystem::path& file, OpenOptions options = creating()) {
  return must(SqliteStore::open(file, std::move(options)));
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

inline std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Write put(std::string type, std::string key, std::string_view text, kernel::ShardId shard = kernel::ShardId{0},
                 kernel::Version version = kernel::Version{1}) {
  return {.type = std::move(type),
          .key = std::move(key),
          .shard = shard,
          .version = version,
          .schema = kSchema,
          .bytes = bytes_of(text)};
}

inline Write removal(std::string type, std::string key, kernel::ShardId shard = kernel::ShardId{0}) {
  return {.type = std::move(type), .key = std::move(key), .shard = shard, .version = {}, .schema = {}, .bytes = {}};
}

inline ShardEpoch take(Store& store, kernel::ShardId shard = kernel::ShardId{0},
                       kernel::NodeId node = kernel::NodeId{1}) {
  return must(store.take({&shard, 1}, node, kernel::Incarnation{node.value})).at(0);
}

inline Batch batch_of(std::vector<ShardEpoch> epochs, std::vector<Write> writes) {
  return {.number = kernel::CommitNumber{1}, .epochs = std::move(epochs), .schemas = {}, .writes = std::move(writes)};
}

/// "Type/Key=text" of every snapshot that the filter accepts.
inline std::vector<std::string> contents(Store& store, const ListFilter& filter = {}) {
  std::vector<std::string> found;
  must(store.list(
      filter,
      [&](const Snapshot& snapshot) {
        found.push_back(snapshot.type + "/" + snapshot.key + "=" + text_of(snapshot.bytes));
        return Visit::go_on;
      },
      [](const StoreError& error) { FAIL_CHECK("unexpected damage: " << error.message); }));
  return found;
}

}  // namespace epic::storage::test
