// How a SqliteStore is opened: locks, the file, the format, the settings, in an order that changes nothing if the store
// is refused.

#include <fmt/format.h>
#include <unistd.h>

#include <system_error>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/sqlite_format.hpp"
#include "storage/sqlite_log_vfs.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

namespace fs = std::filesystem;

// A commit writes each page that it changes, and reads it first, because neighbours have written since. Compared with
// pages of 4 KiB, these make commits of states up to 1 KB a tenth faster, and those of more than 4 KB a tenth slower.
constexpr const char* kCreateSettings = "PRAGMA page_size = 2048";
constexpr const char* kReadSettings = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON";
// The log keeps up to 64 MiB on disk between checkpoints: overwriting it is cheaper than growing it. Nothing is
// spilled: the log's VFS needs all frames of a commit at once. Deleted data is overwritten where that costs no further
// page.
constexpr const char* kWriteSettings =
    "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864; PRAGMA cache_spill = OFF; PRAGMA secure_delete "
    "= FAST";

fs::path beside(const fs::path& path, const char* suffix) { return fs::path(path.string() + suffix); }

StoreError no_store(const fs::path& path) {
  return {StoreErrorCode::not_found, fmt::format("there is no store at '{}'. `epic run` makes one.", path.string())};
}

/// A new file survives a power cut only once its directory has been synced, and a new directory its parent.
std::expected<void, StoreError> sync_directories(const fs::path& file) {
  const fs::path directory = fs::absolute(file).parent_path();
  for (const fs::path& path : {directory, directory.parent_path()}) {
    const int system_error = files::sync_directory(path);
    // A directory above ours may be inaccessible; but then we did not create ours just now.
    if (system_error == 0 || (path != directory && system_error == EACCES)) continue;
    return std::unexpected(StoreError{
        StoreErrorCode::io,
        fmt::format("cannot sync the directory '{}' after making the store '{}': {}. Check the disk (`dmesg`).",
                    path.string(), file.string(), std::generic_category().message(system_error))});
  }
  return {};
}

std::expected<void, StoreError> use_log(Connection& connection) {
  auto statement = EPIC_TRY(connection.prepare("PRAGMA journal_mode = WAL"));
  if (statement.step() != Step::row) return std::unexpected(connection.error("switch to a write-ahead log"));
  if (statement.text(0) == "wal") {
    statement.reset();
    auto read = connection.integer("SELECT count(*) FROM sqlite_schema");  // SQLite opens the log with the first read
    return read ? std::expected<void, StoreError>() : std::unexpected(read.error());
  }
  return std::unexpected(StoreError{
      StoreErrorCode::io,
      fmt::format(
          "the store '{}' cannot use a write-ahead log, which needs shared memory between processes. Keep it on a "
          "local file system.",
          connection.path().string())});
}

bool has_log(const fs::path& path) {
  std::error_code ignored;
  const fs::path log = beside(path, "-wal");
  return fs::exists(log, ignored) && fs::file_size(log, ignored) > 0;
}

/// SQLite opens its files by name, and makes those beside the database with the mode of that.
std::expected<void, StoreError> secure_files(const fs::path& path, files::Missing database) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    const files::Missing missing = *suffix == '\0' ? database : files::Missing::ignored;
    if (auto secured = files::secure_file(beside(path, suffix), missing); !secured)
      return std::unexpected(store_error(secured.error()));
  }
  return {};
}

/// Opens and reads: only then does it show whether the database is readable.
std::expected<Connection, StoreError> open_readable(const fs::path& path, Access access, const OpenOptions& options) {
  auto connection = Connection::open(path, access, options.vfs, options.timeout);
  if (!connection) return connection;
  const auto blank = EPIC_TRY(is_blank(*connection));
  if (blank) return std::unexpected(no_store(path));
  return connection;
}

}  // namespace

std::expected<std::unique_ptr<SqliteStore>, StoreError> SqliteStore::open(const fs::path& path, OpenOptions options) {
  std::error_code ignored;
  if (options.mode != OpenMode::create && options.owner == StoreOwner::this_user)
    EPIC_TRY(secure_files(path, files::Missing::ignored));
  if (options.mode != OpenMode::create && !fs::exists(path, ignored)) {
    EPIC_TRY(StoreFiles::check_before_reading(path, options.wall_clock));  // a fabric may have it open
    return std::unexpected(no_store(path));
  }
  if (options.mode == OpenMode::read_only) return open_for_reading(path, std::move(options));
  return open_for_writing(path, std::move(options));
}

std::expected<std::unique_ptr<SqliteStore>, StoreError> SqliteStore::open_for_writing(const fs::path& path,
                                                                                      OpenOptions options) {
  const bool may_create = options.mode == OpenMode::create;
  EPIC_ASSERT(!may_create || options.shard_count.value_or(0) > 0, "a new store needs a shard count");
  auto writers = EPIC_TRY(FileLock::open(beside(path, ".lock")));
  auto checkpointers = EPIC_TRY(FileLock::open(beside(path, ".checkpoint")));
  auto hold = EPIC_TRY(writers.lock());  // nodes that start together create the store once

  EPIC_TRY(StoreFiles::check_before_opening(path, writers, options.wall_clock));
  std::error_code ignored;
  if (!fs::exists(path, ignored)) writers.write_note({});  // what it says is of a store that was removed
  EPIC_TRY(secure_files(path, may_create ? files::Missing::created : files::Missing::ignored));
  auto connection = EPIC_TRY(
      Connection::open(path, may_create ? Access::create : Access::write, log_vfs_over(options.vfs), options.timeout));
  connection.set_at_close(AtClose::keep_log);  // as long as it may be refused
  const auto blank = EPIC_TRY(is_blank(connection));
  if (blank && !may_create) return std::unexpected(no_store(path));
  if (connection.is_read_only()) {  // SQLite does not say why
    const int system_error = ::access(path.c_str(), W_OK) == 0 ? EACCES : errno;
    return std::unexpected(
        StoreError{StoreErrorCode::io,
                   fmt::format("the store '{}' cannot be written: {}. It must be writable by the user who runs the "
                               "fabric (`ls -l` shows its owner, `lsattr` whether it is locked).",
                               path.string(), std::generic_category().message(system_error))});
  }
  if (blank) {
    EPIC_TRY(connection.run(kCreateSettings, "set its page size"));
    EPIC_TRY(use_log(connection));
    EPIC_TRY(create_format(connection, {*options.shard_count, options.groups}, options.wall_clock()));
  }
  EPIC_TRY(StoreFiles::check_length(connection));
  auto identity = EPIC_TRY(check_format(connection, options.shard_count));
  EPIC_TRY(use_log(connection));
  EPIC_TRY(connection.run(kWriteSettings, "set up writing"));
  EPIC_TRY(migrate(connection, identity));

  connection.set_at_close(AtClose::copy_log);
  auto store = std::unique_ptr<SqliteStore>(new SqliteStore(std::move(connection), std::move(options)));
  store->identity_ = identity;
  store->writer_ =
      std::make_unique<Writer>(store->connection_, std::move(writers), std::move(checkpointers), store->options_);
  EPIC_TRY(store->writer_->wal.recover_after_failed_sync());
  hold.release();
  EPIC_TRY(store->prepare_reading());
  EPIC_TRY(store->prepare_writing());
  EPIC_TRY(store->writer_->wal.sync());
  EPIC_TRY(sync_directories(path));
  return store;
}

std::expected<std::unique_ptr<SqliteStore>, StoreError> SqliteStore::open_for_reading(const fs::path& path,
                                                                                      OpenOptions options) {
  const auto access = options.owner == StoreOwner::this_user ? Access::read : EPIC_TRY(access_to_read(path));
  if (access == Access::read) EPIC_TRY(StoreFiles::check_before_reading(path, options.wall_clock));
  auto connection = open_readable(path, access, options);
  // Reading a database with a log needs a `-shm` file next to it. If none can be created and there is no log either, no
  // fabric is running, and the file can be read as it is.
  if (!connection && connection.error().code != StoreErrorCode::corrupt && !has_log(path)) {
    if (auto as_it_lies = open_readable(path, Access::immutable, options)) connection = std::move(as_it_lies);
  }
  if (!connection) return std::unexpected(connection.error());
  const auto identity = EPIC_TRY(check_format(*connection, options.shard_count));

  auto store = std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*connection), std::move(options)));
  store->identity_ = identity;
  EPIC_TRY(store->prepare_reading());
  return store;
}

std::expected<void, StoreError> SqliteStore::prepare(std::initializer_list<std::pair<Statement*, const char*>> texts) {
  for (const auto& [statement, sql] : texts) {
    *statement = EPIC_TRY(connection_.prepare(sql));
  }
  return {};
}

std::expected<void, StoreError> SqliteStore::prepare_reading() {
  EPIC_TRY(connection_.run(kReadSettings, "set up reading"));
  if (identity_.format_version > 1) {
    auto prepared = prepare({{&statements_.floor, "SELECT version_floor FROM shards WHERE shard = ?1"}});
    if (!prepared) return prepared;
  }
  if (has_mail()) {
    EPIC_TRY(prepare_mail_reading());
  }
  if (has_answers()) {
    EPIC_TRY(prepare_answers_reading());
  }
  if (has_reminders()) {
    EPIC_TRY(prepare_reminder_reading());
  }
  return prepare({
      {&statements_.load,
       "SELECT type, key, shard, version, schema, saved_at, checksum, bytes FROM snapshots WHERE type = ?1 AND key = "
       "?2"},
      {&statements_.schema, "SELECT text FROM schemas WHERE id = ?1"},
      {&statements_.page,
       "SELECT type, key, shard, version, schema, saved_at, checksum, bytes FROM snapshots "
       "WHERE type = ?1 AND key >= ?2 AND (?3 = 0 OR key <> ?2) ORDER BY key"},
      {&statements_.keys,
       "SELECT key FROM snapshots WHERE type = ?1 AND key >= ?2 AND (?3 = 0 OR key <> ?2) ORDER BY key"},
      {&statements_.next_type, "SELECT type FROM snapshots WHERE type > ?1 ORDER BY type LIMIT 1"},
  });
}

std::expected<void, StoreError> SqliteStore::prepare_writing() {
  EPIC_TRY(prepare_mail_writing());
  EPIC_TRY(prepare_answers_writing());
  EPIC_TRY(prepare_reminder_writing());
  if (options_.page_count_max > 0) {
    const std::string bound = fmt::format("PRAGMA max_page_count = {}", options_.page_count_max);
    EPIC_TRY(connection_.run(bound.c_str(), "bound its size"));
  }
  return prepare({
      {&statements_.begin, "BEGIN IMMEDIATE"},
      {&statements_.end, "COMMIT"},
      {&statements_.abandon, "ROLLBACK"},
      {&statements_.count_changes, "SELECT value FROM meta WHERE name = 'owner_changes'"},
      {&statements_.add_change, "UPDATE meta SET value = value + 1 WHERE name = 'owner_changes'"},
      {&statements_.owner, "SELECT shard, epoch, node, incarnation, map_version, term FROM shards WHERE shard = ?1"},
      {&statements_.grant,
       "INSERT INTO shards(shard, epoch, node, incarnation, map_version, term) VALUES(?1, 0, ?2, ?3, ?4, ?5) "
       "ON CONFLICT(shard) DO UPDATE SET node = excluded.node, incarnation = excluded.incarnation, map_version = "
       "excluded.map_version, "
       "term = excluded.term"},
      {&statements_.take, "UPDATE shards SET epoch = epoch + 1 WHERE shard = ?1"},
      {&statements_.raise_floor, "UPDATE shards SET version_floor = max(version_floor, ?2) WHERE shard = ?1"},
      {&statements_.put_schema, "INSERT INTO schemas(id, text) VALUES(?1, ?2) ON CONFLICT(id) DO NOTHING"},
      {&statements_.row, "SELECT rowid FROM snapshots WHERE type = ?1 AND key = ?2"},
      {&statements_.version, "SELECT version FROM snapshots WHERE type = ?1 AND key = ?2"},
      {&statements_.insert,
       "INSERT INTO snapshots(type, key, shard, version, schema, saved_at, checksum, bytes) "
       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(type, key) DO NOTHING"},
      {&statements_.update,  // not the shard: a column of an index costs, even if it stays as it is
       "UPDATE snapshots SET version = ?4, schema = ?5, saved_at = ?6, checksum = ?7, bytes = ?8 "
       "WHERE rowid = ?9 AND type = ?1 AND key = ?2 AND shard = ?3 AND version = ?10"},
      {&statements_.overwrite,
       "INSERT INTO snapshots(type, key, shard, version, schema, saved_at, checksum, bytes) "
       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(type, key) DO UPDATE SET shard = excluded.shard, "
       "version = excluded.version, schema = excluded.schema, saved_at = excluded.saved_at, "
       "checksum = excluded.checksum, bytes = excluded.bytes"},
      {&statements_.remove, "DELETE FROM snapshots WHERE type = ?1 AND key = ?2 AND version = ?3"},
      {&statements_.remove_any, "DELETE FROM snapshots WHERE type = ?1 AND key = ?2"},
  });
}

}  // namespace epic::storage
