#include "storage/sqlite_rows.hpp"

#include <fmt/format.h>

#include <utility>

namespace epic::storage {

namespace {

/// A number that cannot be a shard's is not taken for another's.
kernel::ShardId read_shard(const Statement& statement, int column) {
  const std::int64_t number = statement.integer(column);
  return kernel::ShardId{std::in_range<std::uint32_t>(number) ? static_cast<std::uint32_t>(number) : UINT32_MAX};
}

std::string read_text(const Statement& statement, int column) { return std::string(statement.text(column)); }

std::vector<std::byte> read_bytes(const Statement& statement, int column) {
  const std::span<const std::byte> bytes = statement.blob(column);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Snapshot read_snapshot(const Statement& statement) {
  return {.type = read_text(statement, 0),
          .key = read_text(statement, 1),
          .shard = read_shard(statement, 2),
          .version = kernel::Version{to_unsigned(statement.integer(3))},
          .schema = kernel::SchemaId{to_unsigned(statement.integer(4))},
          .saved_at = from_nanoseconds(statement.integer(5)),
          .bytes = read_bytes(statement, 7)};
}

Mail read_mail(const Statement& statement) {
  return {.id = {.shard = read_shard(statement, 1),
                 .epoch = kernel::Epoch{to_unsigned(statement.integer(2))},
                 .number = to_unsigned(statement.integer(3))},
          .to_shard = read_shard(statement, 4),
          .from = read_text(statement, 10),
          .to = fmt::format("{}/{}", statement.text(11), statement.text(12)),
          .method = read_text(statement, 13),
          .schema = kernel::SchemaId{to_unsigned(statement.integer(6))},
          .arguments = read_bytes(statement, 15),
          .sent_at_ns = statement.integer(7),
          .status = static_cast<MailStatus>(statement.integer(5)),
          .why = read_text(statement, 14)};
}

Reminder read_reminder(const Statement& statement) {
  return {.name = {.type = read_text(statement, 0), .key = read_text(statement, 1), .name = read_text(statement, 2)},
          .shard = read_shard(statement, 3),
          .due_ns = statement.integer(4),
          .first_ns = statement.integer(5),
          .every_ns = statement.integer(6),
          .method = read_text(statement, 10),
          .schema = kernel::SchemaId{to_unsigned(statement.integer(7))},
          .arguments = read_bytes(statement, 11)};
}

Answer read_answer(const Statement& statement) {
  return {.id = {.shard = read_shard(statement, 0),
                 .entity = read_text(statement, 12),
                 .subject = read_text(statement, 13),
                 .key = read_text(statement, 14)},
          .method = read_text(statement, 1),
          .arguments_schema = kernel::SchemaId{to_unsigned(statement.integer(2))},
          .arguments_hash = to_unsigned(statement.integer(3)),
          .begun_at_ns = statement.integer(4),
          .end = {.status = static_cast<AnswerStatus>(statement.integer(5)),
                  .schema = kernel::SchemaId{to_unsigned(statement.integer(6))},
                  .error_code = static_cast<std::uint8_t>(statement.integer(7)),
                  .error_type = read_text(statement, 8),
                  .bytes = read_bytes(statement, 11)}};
}

}  // namespace epic::storage
