#pragma once
// Rows: what the columns of a row stand for, in the order in which every statement selects them that reads whole rows.
//
// Not here: whether a row is as it was written; that is for its checksums to say (row_checksum.hpp).

#include <string_view>

#include "storage/sqlite_connection.hpp"

namespace epic::storage {

inline constexpr std::string_view kSnapshotColumns = "type, key, shard, version, schema, saved_at, checksum, bytes";
inline constexpr int kSnapshotChecksum = 6;
[[nodiscard]] Snapshot read_snapshot(const Statement& statement);

inline constexpr std::string_view kMailColumns =
    "place, from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, sender, "
    "receiver_type, receiver_key, method, why, arguments";
inline constexpr int kMailChecksum = 8;
inline constexpr int kMailStatusChecksum = 9;
/// Without the place.
[[nodiscard]] Mail read_mail(const Statement& statement);

inline constexpr std::string_view kReminderColumns =
    "type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, method, arguments";
inline constexpr int kReminderChecksum = 8;
inline constexpr int kReminderDueChecksum = 9;
[[nodiscard]] Reminder read_reminder(const Statement& statement);

inline constexpr std::string_view kAnswerColumns =
    "shard, method, arguments_schema, arguments_hash, begun_at, status, schema, error_code, error_type, checksum, "
    "end_checksum, bytes, entity, subject, key";
inline constexpr int kAnswerChecksum = 9;
inline constexpr int kAnswerEndChecksum = 10;
[[nodiscard]] Answer read_answer(const Statement& statement);

}  // namespace epic::storage
