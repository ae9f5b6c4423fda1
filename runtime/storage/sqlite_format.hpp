#pragma once
// The store's tables, the questions that a file must answer before it is used, and the way from older formats.
//
// meta says what the file was made with, and counts changes of owners (a writer that finds the count as it was knows
// that every owner is, too); shards holds the fence and the version floor; schemas keeps each schema once; snapshots
// holds one row an entity. snapshots is an ordinary rowid table with (type, key) as its primary key: WITHOUT ROWID was
// measured 1.5 times slower to update at 400 bytes a state and 4 times at 3,000, because rows then lie in the inner
// pages of the tree. Its index by shard costs 11 bytes a row and 10 µs on an insert, in batches of 64 over 64 shards,
// and nothing on an update; as a prefix of the primary key the shard costs as much, without an order by type.
//
// mail holds a row a message. place, the row's number, grows in the order of commits, since SQLite has one writer at a
// time, and is never used twice: a reader that has read up to a place finds whatever is new behind it. It is part of
// every entry of the index by receiver's shard, which therefore is in order, and has no dead letters.
// answers holds a row for each call with an idempotency key, for a day. It is found by its key, and swept by age: the
// index by shard and time holds the oldest first.
// placement_groups holds the classes that are placed by another one's name (kernel/placement.hpp).
// reminders holds a row a reminder. Its index by shard is in the order in which they are due, so the owner of a shard
// reads the next few, however many there are. Only the due time changes, so it has a checksum of its own.
//
// A format has a number, and the file names the epic that it needs. Opening for writing migrates an older one, step by
// step in one transaction, under the writers' lock; reading leaves it as it is. What readers select has the same names
// in every format, or is chosen by number (sqlite_list.cpp).
//
// Format 1: epic 0.1. Format 2: grants, version floors, the index by shard; schemas name the class of a ref and the
// unit of a time, which an epic of format 1 could not read. Format 3: mail. Format 4: answers and reminders. Format
// 5: groups of classes, without which an epic of format 4 would look for entities in the wrong shards.

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "storage/sqlite_connection.hpp"

namespace epic::storage {

/// Raised when the tables change in a way that another version of epic must know of; a step joins `migrate`.
inline constexpr std::uint32_t kStoreFormatVersion = 5;

/// True for a database without tables. `corrupt` if it is not a database, or another program's.
[[nodiscard]] std::expected<bool, StoreError> is_blank(Connection& connection);

/// Creates the tables in an empty database, in one transaction.
[[nodiscard]] std::expected<void, StoreError> create_format(Connection& connection, const kernel::Placement& placement,
                                                            std::chrono::system_clock::time_point created_at);

/// In the place of those that it has. In a transaction.
[[nodiscard]] std::expected<void, StoreError> write_groups(Connection& connection,
                                                           const kernel::PlacementGroups& groups);

/// Reads what the store was made with. Refuses (`incompatible`) a newer format, triggers and views, another hash, and
/// another shard count than `expected_shard_count`, where one is given. An older format passes.
[[nodiscard]] std::expected<StoreIdentity, StoreError> check_format(Connection& connection,
                                                                    std::optional<std::uint32_t> expected_shard_count);

/// Brings an older format to the present one: all or nothing. With the writers' lock.
[[nodiscard]] std::expected<void, StoreError> migrate(Connection& connection, StoreIdentity& identity);

/// For advice: the commands that move a store into a new folder beside it. Its log, next to it, may hold its newest
/// commits. `to`: the folder's name, unless something has it already.
[[nodiscard]] std::string move_away(const std::filesystem::path& store, std::string_view to);

}  // namespace epic::storage
