#pragma once
// Checksums of rows: xxh3-64 over every column, so that damage to the version is found as well as damage to the bytes.
//
// A message has two, because its status changes and the rest does not: marking it need not read it first. Its place is
// in neither; the store gives it. So has an answer. A reminder has a second one for its due time.

#include <chrono>
#include <cstdint>

#include "storage/store.hpp"

namespace epic::storage {

// The integers of databases are signed; the bits are preserved.
inline std::int64_t to_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
inline std::uint64_t to_unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

inline std::int64_t to_nanoseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
inline std::chrono::system_clock::time_point from_nanoseconds(std::int64_t nanoseconds) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(nanoseconds)));
}

/// Part of the store's format: its result must never change.
[[nodiscard]] std::uint64_t row_checksum(std::string_view type, std::string_view key, kernel::ShardId shard,
                                         kernel::Version version, kernel::SchemaId schema, std::int64_t saved_at_ns,
                                         std::span<const std::byte> bytes);

/// Covers what never changes in a message. This and the next are part of the format, too.
[[nodiscard]] std::uint64_t mail_checksum(const Mail& mail);
/// Covers what does change. The id keeps it from passing for another message's.
[[nodiscard]] std::uint64_t mail_status_checksum(const kernel::MailId& id, MailStatus status, std::string_view why);

/// The first covers what never changes in an answer, the second how the call ended; both are part of the format.
[[nodiscard]] std::uint64_t answer_checksum(const Answer& answer);
[[nodiscard]] std::uint64_t answer_end_checksum(const AnswerId& id, const AnswerEnd& end);

/// Covers what stays when a reminder is advanced. This and the next are part of the format, too.
[[nodiscard]] std::uint64_t reminder_checksum(const Reminder& reminder);
[[nodiscard]] std::uint64_t reminder_due_checksum(const ReminderName& name, std::int64_t due_ns);

}  // namespace epic::storage
