#pragma once
// The store's tables, and the questions that a file must answer before it is used.
//
// meta says what the file was made with, and counts how often shards were taken (a writer that finds the count as it
// was knows that every epoch is, too); shards is the fence; schemas keeps each schema once; snapshots holds one row an
// entity. snapshots is an ordinary rowid table with (type, key) as its primary key: WITHOUT ROWID was measured 1.5
// times slower to update at 400 bytes a state and 4 times at 3,000, because rows then lie in the inner pages of the
// tree.

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>

#include "storage/sqlite_connection.hpp"

namespace epic::storage {

/// Raised when a reader of the old format would misread the new one.
inline constexpr std::uint32_t kStoreFormatVersion = 1;

/// True for a database without a single table. `corrupt` when it is no database, or that of another program.
[[nodiscard]] std::expected<bool, StoreError> is_blank(Connection& connection);

/// Makes the tables of a blank database, in one transaction.
[[nodiscard]] std::expected<void, StoreError> create_format(Connection& connection, std::uint16_t shard_count,
                                                            std::chrono::system_clock::time_point created_at);

/// Reads what the store was made with. Refuses (`incompatible`) a newer format, another hash, and another shard count
/// than `expected_shard_count`, where one is given.
[[nodiscard]] std::expected<StoreIdentity, StoreError> check_format(Connection& connection,
                                                                    std::optional<std::uint16_t> expected_shard_count);

}  // namespace epic::storage
