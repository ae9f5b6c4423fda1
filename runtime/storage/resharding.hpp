#pragma once
// Resharding: what a store holds is placed by another number of shards, in one step.
//
//   prepare()  copies the store into a directory beside it, migrates the copy if it has an older format, rewrites it
//              (sqlite_reshard.hpp), and reads all of it. Nothing has changed yet.
//   finish()   puts the copy in the place of the store, which is kept (store_replacement.hpp).
//
// A process that still has the former store open finds that its files are not in their places any more, and can
// acknowledge nothing; in the new store no shard is at an epoch that it knows.
//
// Only while no fabric runs: the caller has the project's lock. From prepare() on nobody else can write to the store.

#include <expected>
#include <filesystem>
#include <utility>

#include "kernel/placement.hpp"
#include "storage/backup.hpp"
#include "storage/sqlite_reshard.hpp"
#include "storage/store_address.hpp"
#include "storage/store_replacement.hpp"

namespace epic::storage {

class Resharding {
 public:
  /// `not_found` if there is no store, `busy` if a process has it open for writing, `marked` if something acknowledged
  /// may be missing from it, `corrupt` if its structure is damaged, `full` if there is no room for the copy. Rows that
  /// are damaged stay so.
  [[nodiscard]] static std::expected<Resharding, StoreError> prepare(const StoreAddress& store,
                                                                     const kernel::Placement& placement,
                                                                     BackupWatcher watcher);

  /// The content of the copy.
  [[nodiscard]] const StoreContent& content() const { return content_; }
  [[nodiscard]] const ReshardedRows& rows() const { return rows_; }

  /// As StoreReplacement has it.
  [[nodiscard]] std::expected<std::filesystem::path, StoreError> finish() { return replacement_.finish(); }

 private:
  explicit Resharding(StoreReplacement replacement) : replacement_(std::move(replacement)) {}

  StoreReplacement replacement_;
  StoreContent content_;
  ReshardedRows rows_;
};

}  // namespace epic::storage
