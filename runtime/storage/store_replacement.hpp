#pragma once
// StoreReplacement: another database takes the place of a project's store in one step, and the former one is kept.
//
//   begin()   makes a directory beside the store. What is written there is nobody's yet.
//   seal()    the new database is complete: its log is copied into it, and it is synced.
//   finish()  copies the former store's log into its database, and removes it; gives the database a second name in a
//             directory of its own ("replaced-1"), with its mark if it has one; renames the new database over it.
//
// Invariant: whenever it is interrupted, the store is the former one or the new one. A log never lies beside a database
//            that it does not belong to: SQLite would write one into the other. A log that cannot be copied, because it
//            was cut off, or its database is missing or damaged, is put away with the former store before.
//
// A store in a database is replaced in one transaction by what is in the new file, and the former one is kept as a file
// (postgres_copy.hpp).
//
// Only while no fabric runs: the caller has the project's lock.
// Not here:  what is in the new database (restoration.hpp, resharding.hpp).

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "files/private_files.hpp"
#include "storage/backup.hpp"
#include "storage/file_lock.hpp"
#include "storage/postgres_copy.hpp"
#include "storage/store_address.hpp"

namespace epic::storage {

class StoreReplacement {
 public:
  /// What becomes of the present store.
  enum class Former : std::uint8_t {
    is_dropped,  // whatever it is like, and whatever is written to it until finish()
    is_carried,  // the new database is made from it: nobody may write to it from begin() on, and it must be whole
  };
  /// `work_name`: of the directory. The store's own directory must exist. Where the former store is carried: `busy` if
  /// a process has it open for writing, `marked` or `displaced` if something may be missing from it.
  [[nodiscard]] static std::expected<StoreReplacement, StoreError> begin(const StoreAddress& of, std::string work_name,
                                                                         Former former, BackupWatcher watcher);
  StoreReplacement(StoreReplacement&& other) noexcept = default;
  StoreReplacement& operator=(StoreReplacement&&) = delete;
  /// Without finish(), nothing has changed.
  ~StoreReplacement();

  /// Copies the present store into the new database. Where it is carried, finish() is `busy` if it was written since.
  [[nodiscard]] std::expected<void, StoreError> copy_former();
  /// The new database, an empty file after begin().
  [[nodiscard]] std::filesystem::path copy() const;
  [[nodiscard]] const BackupWatcher& watcher() const { return watcher_; }

  [[nodiscard]] std::expected<void, StoreError> seal();
  /// Returns the directory where the former store is kept now; empty if there was none. `busy` if a process has the
  /// store open. After an error the former store is there, unless only the last sync failed.
  [[nodiscard]] std::expected<std::filesystem::path, StoreError> finish();

 private:
  StoreReplacement(StoreAddress address, std::filesystem::path location, std::string work_name, Former former,
                   files::Directory directory, BackupWatcher watcher)
      : address_(std::move(address)),
        location_(std::move(location)),
        work_name_(std::move(work_name)),
        former_(former),
        directory_(std::move(directory)),
        watcher_(std::move(watcher)) {}
  std::expected<void, StoreError> lock_former();
  std::expected<std::filesystem::path, StoreError> keep_former(const FileLock& writers);

  /// The name of the first "replaced-N" that is free.
  [[nodiscard]] std::filesystem::path find_place_for_former() const;
  std::expected<std::filesystem::path, StoreError> finish_in_database();

  StoreAddress address_;
  std::filesystem::path location_;  // of the store; for one in a database, of a file that might be
  std::string work_name_;
  Former former_;
  files::Directory directory_;  // it lies in
  BackupWatcher watcher_;
  std::optional<FileLock> writers_;  // of the store, from begin() on if the former one is carried; else in finish()
  std::optional<FileLock::Hold> turn_;
  std::optional<PgStamp> carried_;  // of a database that was copied
};

}  // namespace epic::storage
