#pragma once
// What the storage tests share: stores with a stopped clock, and batches in one line.

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "storage/memory_store.hpp"
#include "storage/postgres_store.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/store.hpp"
#include "support/postgres_server.hpp"
#include "support/temp_dir.hpp"

namespace epic::storage::test {

using epic::test::TempDir;

inline constexpr std::uint32_t kShardCount = 8;
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

inline PostgresOptions creating_postgres() {
  return {.mode = OpenMode::create, .shard_count = kShardCount, .wall_clock = [] { return kNow; }};
}

inline std::unique_ptr<PostgresStore> open_postgres(const std::string& url,
                                                    PostgresOptions options = creating_postgres()) {
  return must(PostgresStore::open(url, std::move(options)));
}

// ---- a store of each kind, for tests that are run against all

struct Memory {
  MemoryStore held{kernel::ungrouped(kShardCount), [] { return kNow; }};
  Store& store = held;
  [[nodiscard]] std::unique_ptr<Store> open_reader() const { return *held.reader_opener()(); }
};

struct Sqlite {
  TempDir directory;
  std::unique_ptr<SqliteStore> held = open_sqlite(directory.file());
  Store& store = *held;
  [[nodiscard]] std::unique_ptr<Store> open_reader() const {
    return must(SqliteStore::open(directory.file(), {.mode = OpenMode::read_only}));
  }
};

struct Postgres {
  std::string url = epic::test::PostgresServer::shared().make_database();
  std::unique_ptr<PostgresStore> held = open_postgres(url);
  Store& store = *held;
  [[nodiscard]] std::unique_ptr<Store> open_reader() const { return must(held->reader_opener()()); }
};

// ---- operations

/// Whatever is there; see `replacing`.
inline Operation put(std::string type, std::string key, std::string_view text,
                     kernel::ShardId shard = kernel::ShardId{0}, kernel::Version version = kernel::Version{1}) {
  return PutSnapshot{.type = std::move(type),
                     .key = std::move(key),
                     .shard = shard,
                     .version = version,
                     .replaces = {},
                     .schema = kSchema,
                     .bytes = bytes_of(text)};
}

/// Whatever is there, or not.
inline Operation erasure(std::string type, std::string key, kernel::ShardId shard = kernel::ShardId{0}) {
  return EraseSnapshot{
      .type = std::move(type), .key = std::move(key), .shard = shard, .version = kernel::Version{2}, .replaces = {}};
}

/// The same change, of an entity whose stored version is `version`; 0: of one without a state.
inline Operation replacing(kernel::Version version, Operation operation) {
  std::visit(
      [&]<class Change>(Change& change) {
        if constexpr (kernel::OfSnapshot<Change>) {
          change.replaces = version;
          change.version = version.next();
        } else {
          FAIL("mail has no version");
        }
      },
      operation);
  return operation;
}

inline kernel::Incarnation incarnation_of(kernel::NodeId node) { return kernel::Incarnation{node.value * 1000ULL}; }

/// From its present owner.
inline void grant(Store& store, kernel::ShardId shard, kernel::NodeId node, kernel::Term term = kernel::Term{1}) {
  kernel::Incarnation former{0};
  for (const Store::ShardRow& row : must(store.shards()))
    if (row.shard == shard) former = row.incarnation;
  must(store.grant({.term = term,
                    .map_version = kernel::MapVersion{1},
                    .list = {{.shard = shard, .node = node, .incarnation = incarnation_of(node), .former = former}}}));
}

/// Grants it, then takes it.
inline ShardEpoch take(Store& store, kernel::ShardId shard = kernel::ShardId{0},
                       kernel::NodeId node = kernel::NodeId{1}) {
  grant(store, shard, node);
  return must(store.take({&shard, 1}, node, incarnation_of(node))).at(0);
}

inline Batch batch_of(std::vector<ShardEpoch> epochs, std::vector<Operation> operations,
                      kernel::NodeId writer = kernel::NodeId{1}) {
  return {.number = kernel::CommitNumber{1},
          .writer = incarnation_of(writer),
          .epochs = std::move(epochs),
          .schemas = {},
          .operations = std::move(operations)};
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
