#include "storage/restoration.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <string>
#include <system_error>
#include <vector>

#include "reflect/try.hpp"
#include "storage/file_lock.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_copy.hpp"
#include "storage/sqlite_files.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/store_mark.hpp"

namespace epic::storage {

namespace {

namespace fs = std::filesystem;

constexpr const char* kWorkName = "restoring";          // the directory that a restoration is prepared in
constexpr const char* kFormerName = "replaced-{}";      // those that former stores are kept in
constexpr std::array kLogSuffixes{"-wal", "-journal"};  // what SQLite would write into the database beside it
constexpr std::uint64_t kReplacingSteps = 4;
constexpr std::chrono::seconds kReaderTimeout{2};

/// The same with a store's error.
template <class T>
std::expected<T, StoreError> with_store_error(std::expected<T, files::Refusal> result) {
  if (!result) return std::unexpected(store_error(result.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(result);
}

std::expected<void, StoreError> sync_names(const fs::path& directory) {
  const int system_error = files::sync_directory(directory);
  if (system_error == 0) return {};
  return std::unexpected(
      StoreError{StoreErrorCode::io, fmt::format("cannot sync the directory '{}': {}. Check the "
                                                 "disk (`dmesg`).",
                                                 directory.string(), std::generic_category().message(system_error))});
}

/// Rows in any table that is not only about the store itself.
std::expected<bool, StoreError> has_rows(Connection& connection) {
  auto tables = EPIC_TRY(connection.prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN "
      "('meta', 'shards', 'schemas')"));
  Step step = tables.step();
  for (; step == Step::row; step = tables.step()) {
    const auto found = EPIC_TRY(connection.integer(fmt::format("SELECT EXISTS(SELECT 1 FROM \"{}\")", tables.text(0))));
    if (found != 0) return true;
  }
  if (step == Step::failed) return std::unexpected(connection.error("read its tables"));
  return false;
}

/// It is a store, of a format that is known, and fits.
std::expected<void, StoreError> check_backup(const fs::path& backup, std::uint32_t shard_count) {
  const auto store = SqliteStore::open(backup, {.mode = OpenMode::read_only});
  if (!store && store.error().code == StoreErrorCode::not_found)
    return std::unexpected(
        StoreError{StoreErrorCode::corrupt, fmt::format("'{}' is empty, so it is no backup", backup.string())});
  if (!store && store.error().code == StoreErrorCode::corrupt) {  // the advice is about a store that is in use
    const std::string& message = store.error().message;
    return std::unexpected(StoreError{StoreErrorCode::corrupt, message.substr(0, message.find(". "))});
  }
  if (!store) return std::unexpected(store.error());
  const std::uint32_t stored_count = (*store)->identity().shard_count;
  if (stored_count == shard_count) return {};
  return std::unexpected(StoreError{
      StoreErrorCode::incompatible,
      fmt::format(
          "the backup '{0}' was made with {1} shards, and the project asks for {2}. Every entity and message in "
          "it belongs to one of {1}. To restore it, set `shards = {1}` in epic.toml.",
          backup.string(), stored_count, shard_count)});
}

StoreError being_read(const fs::path& database, const std::vector<std::string>& users) {
  return {
      StoreErrorCode::busy,
      fmt::format("the store '{}' is being read by {}. Nothing was changed. End it, and run `epic restore` again.",
                  database.string(), users.empty() ? "another process" : fmt::format("{}", fmt::join(users, ", ")))};
}

/// Copies the log into the database and removes it. A database that is none keeps its log. `busy` if another process
/// has it open.
std::expected<void, StoreError> fold_log(const fs::path& database) {
  bool is_corrupt = false;
  {
    auto connection = EPIC_TRY(Connection::open(database, Access::write, "", kReaderTimeout));
    // The first takes back what a crash has left half done.
    for (const char* sql : {"SELECT count(*) FROM sqlite_schema", "PRAGMA wal_checkpoint(TRUNCATE)"}) {
      auto statement = connection.prepare(sql);
      if (statement && statement->step() != Step::failed) continue;
      StoreError error = connection.error("copy the log into the database");
      if (error.code != StoreErrorCode::corrupt && error.code != StoreErrorCode::busy)
        return std::unexpected(std::move(error));
      is_corrupt = is_corrupt || error.code == StoreErrorCode::corrupt;
    }
  }  // the last connection to close removes the log
  if (is_corrupt || !files::identify(database.string() + kLogSuffixes[0])) return {};
  return std::unexpected(being_read(database, find_readers(database)));
}

/// For a store whose log must stay as it is: of one that was cut off, pages of various times would be copied, and one
/// that belongs to another database would be written into this one. A process that has it open may remove the log by
/// name when it ends.
std::expected<void, StoreError> check_unused(const fs::path& database) {
  const auto users = find_users(database);
  if (users.empty()) return {};
  return std::unexpected(being_read(database, users));
}

}  // namespace

PresentStore look_at_store(const StoreAddress& address) {
  PresentStore present;
  const auto store = SqliteStore::open(address.location, {.mode = OpenMode::read_only});
  if (!store) {
    present.exists = present.has_content = store.error().code != StoreErrorCode::not_found;
    return present;
  }
  present.exists = true;
  const auto types = (*store)->count_by_type();
  const auto mail = (*store)->count_mail();
  const auto reminders = (*store)->count_reminders();
  auto connection = Connection::open(address.location, Access::read, "", kReaderTimeout);
  const auto rows = connection ? has_rows(*connection) : std::unexpected(connection.error());
  present.is_readable = types && mail && reminders && rows;
  present.has_content = !present.is_readable || *rows;
  if (!present.is_readable) return present;
  for (const TypeCount& type : *types) present.entities += type.entities;
  present.messages = mail->waiting + mail->begun + mail->dead;
  present.reminders = *reminders;
  return present;
}

fs::path Restoration::copy() const { return location_.parent_path() / kWorkName / location_.filename(); }

std::expected<Restoration, StoreError> Restoration::prepare(const fs::path& backup, const StoreAddress& to,
                                                            std::uint32_t shard_count, BackupWatcher watcher) {
  EPIC_TRY(check_backup(backup, shard_count));
  Restoration restoration(to.location, EPIC_TRY(with_store_error(files::Directory::open(to.location.parent_path()))),
                          std::move(watcher));
  restoration.directory_.remove_tree(kWorkName);  // of one that was interrupted
  const fs::path copy = restoration.copy();
  EPIC_TRY(with_store_error(files::make_directory(copy.parent_path())));
  EPIC_TRY(with_store_error(files::secure_file(copy, files::Missing::created)));
  EPIC_TRY(copy_database(backup, copy, restoration.watcher_.on_progress));
  // The copy is what is checked, not the backup, which others may change meanwhile.
  auto content = check_database(copy, restoration.watcher_);
  if (!content && content.error().code == StoreErrorCode::corrupt)
    content.error().message = fmt::format("the backup '{}' is damaged: {}", backup.string(), content.error().message);
  restoration.content_ = EPIC_TRY(std::move(content));
  {
    const auto store = EPIC_TRY(SqliteStore::open(copy, {.mode = OpenMode::existing, .shard_count = shard_count}));
    restoration.content_.identity = store->identity();
  }
  EPIC_TRY(fold_log(copy));
  EPIC_TRY(with_store_error(files::sync_file(copy)));
  return restoration;
}

Restoration::~Restoration() {
  if (!location_.empty()) directory_.remove_tree(kWorkName);
}

/// Gives the former database a second name; its first one is the copy's to take. With the writers' lock.
std::expected<fs::path, StoreError> Restoration::keep_former(const FileLock& writers) {
  const bool has_database = files::identify(location_).has_value();
  const bool is_whole = StoreFiles::check_before_opening(location_, writers, OpenOptions{}.wall_clock).has_value();
  if (has_database) EPIC_TRY(is_whole ? fold_log(location_) : check_unused(location_));
  watcher_.on_progress(BackupStep::replacing, 1, kReplacingSteps);
  std::vector<std::string> logs;  // those that could not be copied
  for (const char* suffix : kLogSuffixes)
    if (files::identify(location_.string() + suffix)) logs.emplace_back(suffix);
  if (!has_database && logs.empty()) return fs::path();

  fs::path former;
  for (int number = 1; former.empty() || files::identify(former); ++number)
    former = location_.parent_path() / fmt::format(kFormerName, number);
  EPIC_TRY(with_store_error(files::make_directory(former)));
  const fs::path named = former / location_.filename();
  if (has_database) EPIC_TRY(with_store_error(files::link_file(location_, named)));
  for (const std::string& suffix : logs)
    EPIC_TRY(with_store_error(files::rename_file(location_.string() + suffix, named.string() + suffix)));
  for (const fs::path& mark : mark_files(location_))  // until the end it keeps others from writing to what is left here
    EPIC_TRY(with_store_error(files::link_file(mark, former / mark.filename())));
  EPIC_TRY(sync_names(former));
  EPIC_TRY(sync_names(location_.parent_path()));
  watcher_.on_progress(BackupStep::replacing, 2, kReplacingSteps);
  return former;
}

std::expected<fs::path, StoreError> Restoration::finish() {
  EPIC_TRY(with_store_error(files::refuse_link(location_)));
  auto writers = EPIC_TRY(FileLock::open(location_.string() + ".lock"));
  const auto hold = EPIC_TRY(writers.lock());
  if (writers.is_shared_by_others())
    return std::unexpected(StoreError{
        StoreErrorCode::busy, fmt::format("another process has the store '{0}' open for writing. Nothing was changed. "
                                          "`fuser -v '{0}'` shows which.",
                                          location_.string())});
  auto former = EPIC_TRY(keep_former(writers));
  EPIC_TRY(with_store_error(files::rename_file(copy(), location_)));
  watcher_.on_progress(BackupStep::replacing, 3, kReplacingSteps);
  EPIC_TRY(sync_names(location_.parent_path()));
  EPIC_TRY(remove_marks(location_));  // it was about the former one
  writers.write_note({});             // so is shared memory that a crash has left there
  watcher_.on_progress(BackupStep::replacing, kReplacingSteps, kReplacingSteps);
  return former;
}

}  // namespace epic::storage
