#pragma once
// Restoration: a backup takes the place of a project's store, and the former store is kept.
//
//   prepare()  copies the backup into a directory beside the store, migrates the copy if it has an older format, and
//              reads all of it. Nothing has changed yet.
//   finish()   copies the former store's log into its database, and removes it; gives the database a second name in a
//              directory of its own ("replaced-1"), with its mark if it has one; renames the copy over it.
//
// Invariant: whenever it is interrupted, the store is the former one or the restored one. A log never lies beside a
//            database that it does not belong to: SQLite would write one into the other. A log that cannot be
//            copied, because it was cut off, or its database is missing or damaged, is put away with the former
//            store before.
//
// Only while no fabric runs: the caller has the project's lock.

#include <cstdint>
#include <expected>
#include <filesystem>

#include "files/private_files.hpp"
#include "storage/backup.hpp"
#include "storage/file_lock.hpp"
#include "storage/store_address.hpp"

namespace epic::storage {

/// Whether a store has anything to lose.
struct PresentStore {
  bool exists = false;
  bool has_content = false;  // rows beside those about shards and schemas; true if it cannot be read
  bool is_readable = false;
  std::uint64_t entities = 0;
  std::uint64_t messages = 0;
  std::uint64_t reminders = 0;
};
[[nodiscard]] PresentStore look_at_store(const StoreAddress& address);

class Restoration {
 public:
  /// `backup`: a backup, or any store's database; with its log beside it if it has one. `incompatible` for a newer
  /// format, or another number of shards than `shard_count`; `corrupt` if its structure is damaged. The store's
  /// directory must exist.
  [[nodiscard]] static std::expected<Restoration, StoreError> prepare(const std::filesystem::path& backup,
                                                                      const StoreAddress& to, std::uint32_t shard_count,
                                                                      BackupWatcher watcher);
  Restoration(Restoration&& other) noexcept = default;
  Restoration& operator=(Restoration&&) = delete;
  /// Without finish(), nothing has changed.
  ~Restoration();

  [[nodiscard]] const StoreContent& content() const { return content_; }

  /// Returns the directory where the former store is kept now; empty if there was none. `busy` if a process has the
  /// store open. After an error the former store is there, unless only the last sync failed.
  [[nodiscard]] std::expected<std::filesystem::path, StoreError> finish();

 private:
  Restoration(std::filesystem::path location, files::Directory directory, BackupWatcher watcher)
      : location_(std::move(location)), directory_(std::move(directory)), watcher_(std::move(watcher)) {}
  [[nodiscard]] std::filesystem::path copy() const;
  std::expected<std::filesystem::path, StoreError> keep_former(const FileLock& writers);

  std::filesystem::path location_;  // of the store
  files::Directory directory_;      // it lies in
  BackupWatcher watcher_;
  StoreContent content_;
};

}  // namespace epic::storage
