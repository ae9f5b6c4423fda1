#include "storage/restoration.hpp"

#include <fmt/format.h>

#include <string>

#include "reflect/try.hpp"
#include "storage/open_store.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_copy.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

namespace fs = std::filesystem;

constexpr const char* kWorkName = "restoring";  // the directory that a restoration is prepared in
constexpr std::chrono::seconds kReaderTimeout{2};

/// Rows in any table that is not only about the store itself.
std::expected<bool, StoreError> has_rows(Connection& connection) {
  auto tables = EPIC_TRY(connection.prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN "
      "('meta', 'shards', 'schemas', 'placement_groups')"));
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
  const auto store = SqliteStore::open(backup, {.mode = OpenMode::read_only, .owner = StoreOwner::anyone});
  if (!store && store.error().code == StoreErrorCode::not_found)
    return std::unexpected(
        StoreError{StoreErrorCode::corrupt, fmt::format("'{}' is empty, so it is no backup", backup.string())});
  if (!store && store.error().code == StoreErrorCode::corrupt) {  // the advice is about a store that is in use
    const std::string& message = store.error().message;
    return std::unexpected(StoreError{StoreErrorCode::corrupt, message.substr(0, message.find(". "))});
  }
  if (!store) return std::unexpected(store.error());
  const std::uint32_t stored_count = (*store)->identity().placement.shard_count();
  if (stored_count == shard_count) return {};
  return std::unexpected(StoreError{
      StoreErrorCode::incompatible,
      fmt::format(
          "the backup '{0}' was made with {1} shards, and the project asks for {2}. Every entity and message in "
          "it belongs to one of {1}. To restore it, set `shards = {1}` in epic.toml.",
          backup.string(), stored_count, shard_count)});
}

}  // namespace

PresentStore look_at_store(const StoreAddress& address) {
  PresentStore present;
  const auto store = open_store({.address = address, .mode = OpenMode::read_only});
  if (!store) {
    present.exists = present.has_content = store.error().code != StoreErrorCode::not_found;
    return present;
  }
  present.exists = true;
  const auto types = (*store)->count_by_type();
  const auto mail = (*store)->count_mail();
  const auto reminders = (*store)->count_reminders();
  std::expected<bool, StoreError> rows = true;  // of a database, whatever is in it
  if (address.has_file()) {
    auto connection = Connection::open(address.location, Access::read, "", kReaderTimeout);
    rows = connection ? has_rows(*connection) : std::unexpected(connection.error());
  }
  present.is_readable = types && mail && reminders && rows;
  present.has_content = !present.is_readable || *rows;
  if (!present.is_readable) return present;
  for (const TypeCount& type : *types) present.entities += type.entities;
  present.messages = mail->waiting + mail->begun + mail->dead;
  present.reminders = *reminders;
  return present;
}

std::expected<Restoration, StoreError> Restoration::prepare(const fs::path& backup, const StoreAddress& to,
                                                            std::uint32_t shard_count, BackupWatcher watcher) {
  EPIC_TRY(check_backup(backup, shard_count));
  Restoration restoration(
      EPIC_TRY(StoreReplacement::begin(to, kWorkName, StoreReplacement::Former::is_dropped, std::move(watcher))));
  const fs::path copy = restoration.replacement_.copy();
  const BackupWatcher& watching = restoration.replacement_.watcher();
  EPIC_TRY(copy_database(backup, copy, watching.on_progress));
  // The copy is what is checked, not the backup, which others may change meanwhile.
  auto content = check_database(copy, watching);
  if (!content && content.error().code == StoreErrorCode::corrupt)
    content.error().message = fmt::format("the backup '{}' is damaged: {}", backup.string(), content.error().message);
  restoration.content_ = EPIC_TRY(std::move(content));
  {
    const auto store = EPIC_TRY(SqliteStore::open(copy, {.mode = OpenMode::existing, .shard_count = shard_count}));
    restoration.content_.identity = store->identity();
  }
  EPIC_TRY(restoration.replacement_.seal());
  return restoration;
}

}  // namespace epic::storage
