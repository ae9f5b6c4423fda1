#pragma once
// Restoration: a backup takes the place of a project's store, and the former store is kept (store_replacement.hpp).
//
//   prepare()  copies the backup into a directory beside the store, migrates the copy if it has an older format, and
//              reads all of it. Nothing has changed yet.
//   finish()   puts the copy in the place of the store.
//
// Only while no fabric runs: the caller has the project's lock.

#include <cstdint>
#include <expected>
#include <filesystem>
#include <utility>

#include "storage/backup.hpp"
#include "storage/store_address.hpp"
#include "storage/store_replacement.hpp"

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
  [[nodiscard]] const StoreContent& content() const { return content_; }

  /// As StoreReplacement has it.
  [[nodiscard]] std::expected<std::filesystem::path, StoreError> finish() { return replacement_.finish(); }

 private:
  explicit Restoration(StoreReplacement replacement) : replacement_(std::move(replacement)) {}

  StoreReplacement replacement_;
  StoreContent content_;
};

}  // namespace epic::storage
