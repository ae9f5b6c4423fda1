#include "storage/sqlite_format.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "files/private_files.hpp"
#include "reflect/try.hpp"

namespace epic::storage {

namespace {

/// The first release of epic that reads the present format.
constexpr std::string_view kNeedsEpic = "0.1.0";
constexpr std::string_view kHashName = "xxh64";
constexpr std::int64_t kHashSeed = 0;
constexpr std::int64_t kFirstWithGroups = 5;         // format
constexpr std::uintmax_t kDatabaseBytesMin = 512;    // SQLite's smallest page
constexpr std::int64_t kApplicationId = 0x65706963;  // "epic"

constexpr const char* kTables = R"(
CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;
CREATE TABLE shards(
  shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, node INTEGER NOT NULL, incarnation INTEGER NOT NULL,
  map_version INTEGER NOT NULL DEFAULT 0, term INTEGER NOT NULL DEFAULT 0, version_floor INTEGER NOT NULL DEFAULT 0);
CREATE TABLE schemas(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE snapshots(
  type TEXT NOT NULL, key TEXT NOT NULL, shard INTEGER NOT NULL, version INTEGER NOT NULL, schema INTEGER NOT NULL,
  saved_at INTEGER NOT NULL, checksum INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(type, key));
CREATE INDEX snapshots_by_shard ON snapshots(shard);
CREATE TABLE mail(
  place INTEGER PRIMARY KEY AUTOINCREMENT, from_shard INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  to_shard INTEGER NOT NULL, status INTEGER NOT NULL, schema INTEGER NOT NULL, sent_at INTEGER NOT NULL,
  checksum INTEGER NOT NULL, status_checksum INTEGER NOT NULL, sender TEXT NOT NULL, receiver_type TEXT NOT NULL,
  receiver_key TEXT NOT NULL, method TEXT NOT NULL, why TEXT NOT NULL, arguments BLOB NOT NULL,
  UNIQUE(from_shard, epoch, number));
CREATE INDEX mail_by_receiver ON mail(to_shard) WHERE status <> 2;
CREATE TABLE answers(
  shard INTEGER NOT NULL, entity TEXT NOT NULL, subject TEXT NOT NULL, key TEXT NOT NULL, method TEXT NOT NULL,
  arguments_schema INTEGER NOT NULL, arguments_hash INTEGER NOT NULL, begun_at INTEGER NOT NULL,
  status INTEGER NOT NULL, schema INTEGER NOT NULL, error_code INTEGER NOT NULL, error_type TEXT NOT NULL,
  checksum INTEGER NOT NULL, end_checksum INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(entity, subject, key));
CREATE INDEX answers_by_age ON answers(shard, begun_at);
CREATE TABLE reminders(
  type TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, shard INTEGER NOT NULL, due_at INTEGER NOT NULL,
  starts_at INTEGER NOT NULL, every INTEGER NOT NULL, schema INTEGER NOT NULL, checksum INTEGER NOT NULL,
  due_checksum INTEGER NOT NULL, method TEXT NOT NULL, arguments BLOB NOT NULL, PRIMARY KEY(type, key, name));
CREATE INDEX reminders_by_due ON reminders(shard, due_at, type, key, name);
CREATE TABLE placement_groups(type TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
)";

// From format i + 1 to the next. A step never changes once it was released.
constexpr const char* kMigrations[] = {
    R"(
ALTER TABLE shards ADD COLUMN map_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shards ADD COLUMN term INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shards ADD COLUMN version_floor INTEGER NOT NULL DEFAULT 0;
CREATE INDEX snapshots_by_shard ON snapshots(shard);
INSERT INTO meta(name, value) SELECT 'owner_changes', coalesce((SELECT value FROM meta WHERE name = 'takes'), 0);
DELETE FROM meta WHERE name = 'takes';
)",
    R"(
CREATE TABLE mail(
  place INTEGER PRIMARY KEY AUTOINCREMENT, from_shard INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  to_shard INTEGER NOT NULL, status INTEGER NOT NULL, schema INTEGER NOT NULL, sent_at INTEGER NOT NULL,
  checksum INTEGER NOT NULL, status_checksum INTEGER NOT NULL, sender TEXT NOT NULL, receiver_type TEXT NOT NULL,
  receiver_key TEXT NOT NULL, method TEXT NOT NULL, why TEXT NOT NULL, arguments BLOB NOT NULL,
  UNIQUE(from_shard, epoch, number));
CREATE INDEX mail_by_receiver ON mail(to_shard) WHERE status <> 2;
)",
    R"(
CREATE TABLE answers(
  shard INTEGER NOT NULL, entity TEXT NOT NULL, subject TEXT NOT NULL, key TEXT NOT NULL, method TEXT NOT NULL,
  arguments_schema INTEGER NOT NULL, arguments_hash INTEGER NOT NULL, begun_at INTEGER NOT NULL,
  status INTEGER NOT NULL, schema INTEGER NOT NULL, error_code INTEGER NOT NULL, error_type TEXT NOT NULL,
  checksum INTEGER NOT NULL, end_checksum INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(entity, subject, key));
CREATE INDEX answers_by_age ON answers(shard, begun_at);
CREATE TABLE reminders(
  type TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, shard INTEGER NOT NULL, due_at INTEGER NOT NULL,
  starts_at INTEGER NOT NULL, every INTEGER NOT NULL, schema INTEGER NOT NULL, checksum INTEGER NOT NULL,
  due_checksum INTEGER NOT NULL, method TEXT NOT NULL, arguments BLOB NOT NULL, PRIMARY KEY(type, key, name));
CREATE INDEX reminders_by_due ON reminders(shard, due_at, type, key, name);
)",
    R"(
CREATE TABLE placement_groups(type TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
)",
};
static_assert(std::size(kMigrations) + 1 == kStoreFormatVersion);

std::expected<std::int64_t, StoreError> get_meta(Connection& connection, std::string_view name, std::int64_t min) {
  auto statement = EPIC_TRY(
      connection.prepare("SELECT value FROM meta WHERE name = ?1 AND typeof(value) = 'integer' AND value >= ?2"));
  switch (statement.set(1, name).set(2, min).step()) {
    case Step::row:
      return statement.integer(0);
    case Step::failed:
      return std::unexpected(connection.error("read the store's description"));
    case Step::done:
      break;
  }
  return std::unexpected(StoreError{StoreErrorCode::corrupt,
                                    fmt::format("the store '{}' does not say its {}. Restore the file from a copy.",
                                                connection.path().string(), name)});
}

std::expected<kernel::PlacementGroups, StoreError> read_groups(Connection& connection) {
  auto select = EPIC_TRY(connection.prepare("SELECT type, name FROM placement_groups"));
  kernel::PlacementGroups groups;
  Step step = select.step();
  for (; step == Step::row; step = select.step()) groups.emplace(select.text(0), select.text(1));
  if (step == Step::failed) return std::unexpected(connection.error("read the groups of classes"));
  return groups;
}

StoreError not_ours(const Connection& connection, std::string_view what) {
  const std::string path = connection.path().string();
  return {StoreErrorCode::corrupt,
          fmt::format(
              "'{}' is not an epic store: it is {}. It was left as it is. Move it away with its log ({}) to start with "
              "an empty store, or restore it from a copy.",
              path, what, move_away(connection.path(), "damaged"))};
}

StoreError unknown_format(Connection& connection, std::int64_t version) {
  std::string needs = "the epic that wrote it";
  auto statement = connection.prepare("SELECT value FROM meta WHERE name = 'needs_epic'");
  if (statement && statement->step() == Step::row) needs = fmt::format("epic {} or newer", statement->text(0));
  return {StoreErrorCode::incompatible,
          fmt::format(
              "the store '{}' has format {}, and this epic reads formats up to {}. It was left as it is; {} reads it.",
              connection.path().string(), version, kStoreFormatVersion, needs)};
}

StoreError other_shard_count(const Connection& connection, std::int64_t stored, std::uint32_t expected) {
  return {StoreErrorCode::incompatible,
          fmt::format("the store '{0}' was made with {1} shards, and the project asks for {2}. Set `shards = {1}` in "
                      "epic.toml, or rewrite the store with `epic reshard {2}`.",
                      connection.path().string(), stored, expected)};
}

}  // namespace

std::string move_away(const std::filesystem::path& store, std::string_view to) {
  const std::filesystem::path folder = files::find_free_name(store.parent_path() / to);
  return fmt::format("`mkdir '{0}' && mv '{1}'* '{0}'`", folder.string(), store.string());
}

std::expected<bool, StoreError> is_blank(Connection& connection) {
  const auto table_count = connection.integer("SELECT count(*) FROM sqlite_schema");
  if (!table_count) {
    if (table_count.error().code != StoreErrorCode::corrupt) return std::unexpected(table_count.error());
    return std::unexpected(not_ours(connection, "damaged or no database at all"));
  }
  if (*table_count == 0) {
    // SQLite takes a file of a single byte for an empty database and would overwrite it.
    std::error_code ignored;
    const auto file_bytes = std::filesystem::file_size(connection.path(), ignored);
    if (!ignored && file_bytes > 0 && file_bytes < kDatabaseBytesMin) {
      return std::unexpected(not_ours(connection, "too short for a database"));
    }
    return true;
  }
  const auto application = EPIC_TRY(connection.integer("PRAGMA application_id"));
  if (application != kApplicationId) return std::unexpected(not_ours(connection, "another program's database"));
  return false;
}

std::expected<void, StoreError> write_groups(Connection& connection, const kernel::PlacementGroups& groups) {
  EPIC_TRY(connection.run("DELETE FROM placement_groups", "forget the former groups"));
  auto insert = EPIC_TRY(connection.prepare("INSERT INTO placement_groups(type, name) VALUES(?1, ?2)"));
  for (const auto& [type, name] : groups) {
    const ResetGuard guard(insert);
    if (insert.set(1, std::string_view(type)).set(2, std::string_view(name)).step() != Step::done)
      return std::unexpected(connection.error("write the groups of classes"));
  }
  return {};
}

std::expected<void, StoreError> create_format(Connection& connection, const kernel::Placement& placement,
                                              std::chrono::system_clock::time_point created_at) {
  using std::chrono::nanoseconds;
  const auto created_at_ns = std::chrono::duration_cast<nanoseconds>(created_at.time_since_epoch()).count();
  const std::string meta = fmt::format(
      "INSERT INTO meta(name, value) VALUES('format_version', {}), ('needs_epic', '{}'), ('hash', '{}'), "
      "('hash_seed', {}), ('shard_count', {}), ('created_at', {}), ('checkpoints', 0), ('owner_changes', 0);",
      kStoreFormatVersion, kNeedsEpic, kHashName, kHashSeed, placement.shard_count(), created_at_ns);
  const std::string all =
      fmt::format("BEGIN IMMEDIATE; PRAGMA application_id = {}; {} {}", kApplicationId, kTables, meta);
  EPIC_TRY(connection.run(all.c_str(), "make the tables"));
  EPIC_TRY(write_groups(connection, placement.groups()));
  return connection.run("COMMIT", "make the tables");
}

std::expected<StoreIdentity, StoreError> check_format(Connection& connection,
                                                      std::optional<std::uint32_t> expected_shard_count) {
  const auto version = EPIC_TRY(get_meta(connection, "format_version", 1));
  if (version > kStoreFormatVersion) return std::unexpected(unknown_format(connection, version));
  // They would run with every change, under our name.
  const auto foreign =
      EPIC_TRY(connection.integer("SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view')"));
  if (foreign != 0) {
    return std::unexpected(StoreError{
        StoreErrorCode::incompatible,
        fmt::format("the store '{0}' has triggers or views, which epic never makes. It was left as it is. "
                    "`sqlite3 '{0}' \"SELECT sql FROM sqlite_schema WHERE type IN ('trigger', 'view')\"` shows them; "
                    "drop them.",
                    connection.path().string())});
  }
  const auto usual_hash = EPIC_TRY(
      connection.integer(fmt::format("SELECT count(*) FROM meta WHERE name = 'hash' AND value = '{}'", kHashName)));
  const auto seed = EPIC_TRY(get_meta(connection, "hash_seed", INT64_MIN));
  if (usual_hash != 1 || seed != kHashSeed) {
    return std::unexpected(StoreError{
        StoreErrorCode::incompatible,
        fmt::format(
            "the store '{}' places entities by another hash than {} with seed {}. Export with the epic that wrote it "
            "and import with this one.",
            connection.path().string(), kHashName, kHashSeed)});
  }
  const auto shard_count = EPIC_TRY(get_meta(connection, "shard_count", 1));
  if (expected_shard_count && *expected_shard_count != shard_count) {
    return std::unexpected(other_shard_count(connection, shard_count, *expected_shard_count));
  }
  auto groups = version < kFirstWithGroups ? kernel::PlacementGroups() : EPIC_TRY(read_groups(connection));
  return StoreIdentity{.format_version = static_cast<std::uint32_t>(version),
                       .placement = {static_cast<std::uint32_t>(shard_count), std::move(groups)},
                       .is_old_format = version < kStoreFormatVersion};
}

std::expected<void, StoreError> migrate(Connection& connection, StoreIdentity& identity) {
  if (identity.format_version == kStoreFormatVersion) return {};
  std::string sql = "BEGIN IMMEDIATE;";
  for (std::uint32_t from = identity.format_version; from < kStoreFormatVersion; ++from) sql += kMigrations[from - 1];
  sql += fmt::format(
      "UPDATE meta SET value = {} WHERE name = 'format_version';"
      "INSERT INTO meta(name, value) VALUES('needs_epic', '{}') ON CONFLICT(name) DO UPDATE SET value = excluded.value;"
      "COMMIT;",
      kStoreFormatVersion, kNeedsEpic);
  if (auto done = connection.run(sql.c_str(), "migrate to the present format"); !done) {
    if (connection.in_transaction()) static_cast<void>(connection.run("ROLLBACK", "take the migration back"));
    return done;
  }
  identity.migrated_from = std::exchange(identity.format_version, kStoreFormatVersion);
  identity.is_old_format = false;
  return {};
}

}  // namespace epic::storage
