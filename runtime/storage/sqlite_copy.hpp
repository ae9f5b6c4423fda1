#pragma once
// Copies of SQLite databases, for backups and restorations: one file each, of one moment, checked row by row.
//
// SQLite copies the pages, in a transaction that reads. The copy is not synced, and nobody else may know its name yet.

#include <expected>
#include <filesystem>

#include "storage/backup.hpp"
#include "storage/sqlite_wal.hpp"

namespace epic::storage {

/// Copies the database of a store or a backup, also while others write it, into `file`, which is missing or empty.
/// `busy` if meanwhile the log grows to half of what its writers let it have.
[[nodiscard]] std::expected<void, StoreError> copy_database(const std::filesystem::path& from,
                                                            const std::filesystem::path& file,
                                                            const OnBackupProgress& on_progress,
                                                            const WalLimits& limits = {});
/// Reads every row of a database that nobody writes. `corrupt`, with what SQLite says, if its structure is damaged.
[[nodiscard]] std::expected<StoreContent, StoreError> check_database(const std::filesystem::path& file,
                                                                     const BackupWatcher& watcher);

}  // namespace epic::storage
