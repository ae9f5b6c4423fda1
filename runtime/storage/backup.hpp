#pragma once
// Backups: a whole store of one moment as one file, for people to keep and for restoration.hpp to put back.
//
// A backup is an SQLite database with the tables of a store (sqlite_format.hpp), whatever kind of store it was made
// from: the one file format that every kind can be read from, and that `sqlite3` reads, too. It is copied page by page,
// so it has every table that the store has, and a kind of store that is not SQLite has to fill those tables. It has no
// log beside it: the file alone is the backup, and may be moved and copied as any other.
//
// The copy is of one moment, however long it takes. What is written meanwhile stays in the store's log; if that would
// fill it, the copy ends with an error, so that the fabric can go on writing.
//
// Not here: where the file goes, and that it appears only when complete (cli/output/atomic_file.hpp).

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <string>

#include "storage/store.hpp"
#include "storage/store_address.hpp"

namespace epic::storage {

/// What takes time, in this order.
enum class BackupStep : std::uint8_t {
  copying,    // pages
  rewriting,  // rows, of a resharding
  checking,   // rows
  replacing,  // of a restoration: changes to the names of files
};

/// `done` of `total`, in the unit of the step.
using OnBackupProgress = std::function<void(BackupStep step, std::uint64_t done, std::uint64_t total)>;

struct BackupWatcher {
  OnBackupProgress on_progress = [](BackupStep, std::uint64_t, std::uint64_t) {};
  /// A sentence for each row that cannot be read.
  std::function<void(const std::string&)> on_damage = [](const std::string&) {};
};

/// What was found in a store, or in a backup.
struct StoreContent {
  std::uint64_t entities = 0;  // with a saved state
  std::uint64_t bytes = 0;     // of their states
  MailCounts mail = {};
  std::uint64_t reminders = 0;
  std::uint64_t answers = 0;  // to calls with idempotency keys
  std::uint64_t damaged = 0;  // rows that cannot be read; in none of the counts above
  StoreIdentity identity = {};

  [[nodiscard]] std::uint64_t messages() const { return mail.waiting + mail.begun + mail.dead; }
};

/// Copies a store, whether or not a fabric runs, into `file`, which is missing or empty; then reads back every row.
/// Rows that are damaged are copied as they are; a store whose structure is damaged is `corrupt`. The file is not
/// synced.
[[nodiscard]] std::expected<StoreContent, StoreError> write_backup(const StoreAddress& from,
                                                                   const std::filesystem::path& file,
                                                                   const BackupWatcher& watcher);

}  // namespace epic::storage
