// Reminders and answers in a PostgresStore: reading them, as in postgres_list.cpp.

#include <fmt/format.h>

#include <algorithm>

#include "reflect/try.hpp"
#include "storage/postgres_statements.hpp"
#include "storage/postgres_store.hpp"
#include "storage/row_check.hpp"
#include "storage/row_checksum.hpp"

namespace epic::storage {

namespace {

/// A reminder, or what is wrong with it.
struct PgReminderRow {
  Reminder reminder;
  std::optional<StoreError> damage;
};

PgReminderRow read_pg_reminder(const PgRows& rows, std::size_t row, const std::string& where) {
  const std::span<const std::byte> arguments = rows.blob(row, 11);
  PgReminderRow read{.reminder = {.name = {.type = std::string(rows.text(row, 0)),
                                           .key = std::string(rows.text(row, 1)),
                                           .name = std::string(rows.text(row, 2))},
                                  .shard = kernel::ShardId{static_cast<std::uint32_t>(rows.integer(row, 3))},
                                  .due_ns = rows.integer(row, 4),
                                  .first_ns = rows.integer(row, 5),
                                  .every_ns = rows.integer(row, 6),
                                  .method = std::string(rows.text(row, 10)),
                                  .schema = kernel::SchemaId{to_unsigned(rows.integer(row, 7))},
                                  .arguments = {arguments.begin(), arguments.end()}},
                     .damage = {}};
  read.damage = find_damage(read.reminder, to_unsigned(rows.integer(row, 8)), to_unsigned(rows.integer(row, 9)), where);
  return read;
}

bool is_last_of(const PgRows& rows) {
  return rows.size() == 0 || static_cast<std::size_t>(rows.integer(0, 12)) == rows.size();
}

}  // namespace

std::expected<ReminderPage, StoreError> PostgresStore::reminders_of(kernel::ShardId shard, const ReminderPlace& after,
                                                                    std::size_t limit) {
  const auto rows = EPIC_TRY(read(pg::kRemindersOf,
                                  PgParams()
                                      .add(shard.value)
                                      .add(after.due_ns)
                                      .add(std::string_view(after.name.type))
                                      .add(std::string_view(after.name.key))
                                      .add(std::string_view(after.name.name))
                                      .add(static_cast<std::int64_t>(std::min(limit, kPageRowsMax)))
                                      .add(std::int64_t{kPageBytesMax}),
                                  "read reminders"));
  ReminderPage page{.next = after, .is_last = is_last_of(rows)};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    PgReminderRow row = read_pg_reminder(rows, i, where());
    page.next = place_of(row.reminder);
    if (row.damage)
      page.damaged.push_back(std::move(row.damage->message));
    else
      page.rows.push_back(std::move(row.reminder));
  }
  return page;
}

std::expected<std::vector<std::string>, StoreError> PostgresStore::reminder_names(std::string_view type,
                                                                                  std::string_view key,
                                                                                  std::size_t limit) {
  const auto rows = EPIC_TRY(
      read(pg::kReminderNames,
           PgParams().add(type).add(key).add(static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX))),
           fmt::format("read the reminders of {}/{}", type, key)));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rows.size(); ++i) names.emplace_back(rows.text(i, 0));
  return names;
}

std::expected<void, StoreError> PostgresStore::list_reminders(
    const ReminderFilter& filter, const std::function<Visit(const Reminder&)>& visit,
    const std::function<void(const DamagedReminder&)>& on_corrupt) {
  std::uint64_t left = filter.limit;
  ReminderName after{.type = filter.type, .key = filter.key, .name = {}};
  for (bool is_last = false; !is_last && left > 0;) {
    const auto rows = EPIC_TRY(read(pg::kListReminders,
                                    PgParams()
                                        .add(std::string_view(after.type))
                                        .add(std::string_view(after.key))
                                        .add(std::string_view(after.name))
                                        .add(std::int64_t{kPageRowsMax})
                                        .add(std::int64_t{kPageBytesMax}),
                                    "read reminders"));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const PgReminderRow row = read_pg_reminder(rows, i, where());
      after = row.reminder.name;
      if (!filter.type.empty() && after.type != filter.type) return {};
      if (!filter.key.empty() && after.key != filter.key) return {};
      if (row.damage) {
        on_corrupt({*row.damage, after});
        continue;
      }
      if (left-- == 0 || visit(row.reminder) == Visit::stop) return {};
    }
    is_last = is_last_of(rows);
  }
  return {};
}

std::expected<std::uint64_t, StoreError> PostgresStore::count_reminders() {
  const auto rows = EPIC_TRY(read(pg::kCountReminders, {}, "count reminders"));
  return to_unsigned(rows.integer(0, 0));
}

// ---- answers ----

std::expected<std::optional<Answer>, StoreError> PostgresStore::answer(const AnswerId& id) {
  const auto rows = EPIC_TRY(
      read(pg::kAnswer,
           PgParams().add(std::string_view(id.entity)).add(std::string_view(id.subject)).add(std::string_view(id.key)),
           fmt::format("read the answer to key '{}' of {}", id.key, id.entity)));
  if (rows.size() == 0) return std::nullopt;
  const std::span<const std::byte> bytes = rows.blob(0, 11);
  Answer answer{.id = id,
                .method = std::string(rows.text(0, 1)),
                .arguments_schema = kernel::SchemaId{to_unsigned(rows.integer(0, 2))},
                .arguments_hash = to_unsigned(rows.integer(0, 3)),
                .begun_at_ns = rows.integer(0, 4),
                .end = {.status = static_cast<AnswerStatus>(rows.integer(0, 5)),
                        .schema = kernel::SchemaId{to_unsigned(rows.integer(0, 6))},
                        .error_code = static_cast<std::uint8_t>(rows.integer(0, 7)),
                        .error_type = std::string(rows.text(0, 8)),
                        .bytes = {bytes.begin(), bytes.end()}}};
  answer.id.shard = kernel::ShardId{static_cast<std::uint32_t>(rows.integer(0, 0))};
  if (auto damage = find_damage(answer, to_unsigned(rows.integer(0, 9)), to_unsigned(rows.integer(0, 10)), where()))
    return std::unexpected(*std::move(damage));
  return answer;
}

std::expected<std::optional<std::int64_t>, StoreError> PostgresStore::oldest_answer(kernel::ShardId shard) {
  const auto rows = EPIC_TRY(read(pg::kOldestAnswer, PgParams().add(shard.value), "read how old answers are"));
  if (rows.size() == 0) return std::nullopt;
  return rows.integer(0, 0);
}

}  // namespace epic::storage
