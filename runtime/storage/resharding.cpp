#include "storage/resharding.hpp"

#include <fmt/format.h>

#include "reflect/try.hpp"
#include "storage/open_store.hpp"
#include "storage/sqlite_copy.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

namespace fs = std::filesystem;

constexpr const char* kReshardingName = "resharding";  // the directory that a resharding is prepared in
constexpr std::chrono::seconds kReshardingTimeout{2};

/// A file that nobody knows yet needs no journal.
std::expected<ReshardedRows, StoreError> reshard_file(const fs::path& file, const kernel::Placement& placement,
                                                      const OnBackupProgress& on_progress) {
  auto connection = EPIC_TRY(Connection::open(file, Access::write, "", kReshardingTimeout));
  EPIC_TRY(connection.run("PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF",
                          "set up resharding"));
  return reshard_rows(connection, placement, on_progress);
}

/// All rows were read back; what is whole is under the shard that its checksum covers.
std::expected<void, StoreError> check_complete(const StoreContent& content, const ReshardedRows& rows,
                                               const std::string& store) {
  const std::uint64_t found =
      content.entities + content.messages() + content.reminders + content.answers + content.damaged;
  if (found == rows.all) return {};
  return std::unexpected(
      StoreError{StoreErrorCode::corrupt,
                 fmt::format("the store '{}' was not resharded: of {} rows, {} were read back. Nothing was changed. "
                             "`epic snapshot verify` checks it.",
                             store, rows.all, found)});
}

}  // namespace

std::expected<Resharding, StoreError> Resharding::prepare(const StoreAddress& store, const kernel::Placement& placement,
                                                          BackupWatcher watcher) {
  // It has to be a store, of a format that is known, before anything is copied.
  EPIC_TRY(open_store({.address = store, .mode = OpenMode::read_only}));
  if (const auto mark = store.has_file() ? std::nullopt : find_mark(store))
    return std::unexpected(StoreError{
        StoreErrorCode::marked,
        fmt::format("the store '{}' may lack something that was acknowledged: {}. `epic snapshot verify --accept` goes "
                    "on with what is left.",
                    store.shown(), *mark)});
  Resharding resharding(EPIC_TRY(
      StoreReplacement::begin(store, kReshardingName, StoreReplacement::Former::is_carried, std::move(watcher))));
  const fs::path copy = resharding.replacement_.copy();
  const BackupWatcher& watching = resharding.replacement_.watcher();
  EPIC_TRY(resharding.replacement_.copy_former());
  std::optional<std::uint32_t> migrated_from;
  {
    const auto migrated = EPIC_TRY(SqliteStore::open(copy, {.mode = OpenMode::existing}));
    migrated_from = migrated->identity().migrated_from;
  }
  resharding.rows_ = EPIC_TRY(reshard_file(copy, placement, watching.on_progress));
  resharding.content_ = EPIC_TRY(check_database(copy, watching));
  {
    const auto opened =
        EPIC_TRY(SqliteStore::open(copy, {.mode = OpenMode::existing, .shard_count = placement.shard_count()}));
    resharding.content_.identity = opened->identity();
    resharding.content_.identity.migrated_from = migrated_from;
  }
  EPIC_TRY(check_complete(resharding.content_, resharding.rows_, store.shown()));
  EPIC_TRY(resharding.replacement_.seal());
  return resharding;
}

}  // namespace epic::storage
