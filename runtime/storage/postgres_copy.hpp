#pragma once
// A whole store from a PostgreSQL database into a file, and back: the file is a backup (backup.hpp), which every kind
// of store can be made from. So a store moves from one kind to another this way, too.
//
// Every row is copied as it is, with its checksum, so a damaged one stays damaged. Both ways it is one transaction:
// what is copied is of one moment, and what is replaced is replaced in one step.
//
// Not here: reading back what was copied (sqlite_copy.hpp).

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "storage/backup.hpp"

namespace epic::storage {

/// Changes with whatever is written to a store.
struct PgStamp {
  std::int64_t history = 0;
  std::int64_t writers = 0;
  std::int64_t numbers = 0;
  bool operator==(const PgStamp&) const = default;
};

/// Into `file`, which is missing or empty. `not_found` if there is no store in the database.
[[nodiscard]] std::expected<PgStamp, StoreError> copy_from_database(const std::string& url,
                                                                    const std::filesystem::path& file,
                                                                    const OnBackupProgress& on_progress);
/// In the place of what the database has, which must still have this stamp; empty: there is no store in it. Its mark is
/// lifted, and what had it open can write nothing more. `file` has the present format.
[[nodiscard]] std::expected<void, StoreError> copy_into_database(const std::filesystem::path& file,
                                                                 const std::string& url,
                                                                 const std::optional<PgStamp>& expected,
                                                                 const OnBackupProgress& on_progress);

}  // namespace epic::storage
