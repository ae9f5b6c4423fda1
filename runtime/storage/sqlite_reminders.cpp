// Reminders in a SqliteStore: writing them with a batch, and reading them a page at a time, as in sqlite_list.cpp.

#include <fmt/format.h>

#include <algorithm>

#include "reflect/try.hpp"
#include "storage/row_check.hpp"
#include "storage/row_checksum.hpp"
#include "storage/sqlite_rows.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

/// A reminder, or what is wrong with it.
struct ReminderRow {
  Reminder reminder;
  std::optional<StoreError> damage;
};

struct ReminderRows {
  std::vector<ReminderRow> list;
  bool is_last = false;
};

std::string text_of(const ReminderName& name) { return fmt::format("'{}' of {}/{}", name.name, name.type, name.key); }

ReminderRow read_reminder_row(const Statement& statement, const Connection& connection) {
  ReminderRow row{.reminder = read_reminder(statement), .damage = {}};
  row.damage = find_damage(row.reminder, to_unsigned(statement.integer(kReminderChecksum)),
                           to_unsigned(statement.integer(kReminderDueChecksum)),
                           fmt::format("the store '{}'", connection.path().string()));
  return row;
}

/// As many rows as a page holds.
std::expected<ReminderRows, StoreError> read_reminder_rows(Statement& statement, const Connection& connection,
                                                           std::size_t limit) {
  ReminderRows rows;
  for (std::size_t bytes = 0;;) {
    const Step step = statement.step();
    if (step == Step::failed) return std::unexpected(connection.error("read reminders"));
    rows.is_last = step == Step::done;
    if (rows.is_last || rows.list.size() >= std::min(limit, kPageRowsMax) || bytes >= kPageBytesMax) return rows;
    rows.list.push_back(read_reminder_row(statement, connection));
    bytes += rows.list.back().reminder.arguments.size();
  }
}

Statement& set_name(Statement& statement, const ReminderName& name) {
  return statement.set(1, std::string_view(name.type))
      .set(2, std::string_view(name.key))
      .set(3, std::string_view(name.name));
}

}  // namespace

std::expected<void, StoreError> SqliteStore::prepare_reminder_reading() {
  return prepare({
      {&statements_.reminders_of,
       "SELECT type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, method, arguments "
       "FROM reminders WHERE shard = ?1 AND (due_at, type, key, name) > (?2, ?3, ?4, ?5) "
       "ORDER BY due_at, type, key, name"},
      {&statements_.reminder_names, "SELECT name FROM reminders WHERE type = ?1 AND key = ?2 LIMIT ?3"},
      {&statements_.list_reminders,
       "SELECT type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, method, arguments "
       "FROM reminders WHERE (type, key, name) > (?1, ?2, ?3) ORDER BY type, key, name"},
  });
}

std::expected<void, StoreError> SqliteStore::prepare_reminder_writing() {
  return prepare({
      {&statements_.set_reminder,  // kernel::is_equal says the same
       "INSERT INTO reminders(type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, "
       "method, arguments) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
       "ON CONFLICT(type, key, name) DO UPDATE SET shard = excluded.shard, due_at = excluded.due_at, "
       "starts_at = excluded.starts_at, every = excluded.every, schema = excluded.schema, "
       "checksum = excluded.checksum, due_checksum = excluded.due_checksum, method = excluded.method, "
       "arguments = excluded.arguments WHERE NOT (shard = excluded.shard AND every = excluded.every "
       "AND schema = excluded.schema AND method = excluded.method AND arguments = excluded.arguments "
       "AND (starts_at = excluded.starts_at OR (?13 = 1 AND every > 0)))"},
      {&statements_.forget_reminder, "DELETE FROM reminders WHERE type = ?1 AND key = ?2 AND name = ?3"},
      {&statements_.forget_reminders, "DELETE FROM reminders WHERE type = ?1 AND key = ?2"},
      {&statements_.end_reminder,
       "DELETE FROM reminders WHERE type = ?1 AND key = ?2 AND name = ?3 AND shard = ?4 AND due_at = ?5"},
      {&statements_.advance_reminder,
       "UPDATE reminders SET due_at = ?6, due_checksum = ?7 "
       "WHERE type = ?1 AND key = ?2 AND name = ?3 AND shard = ?4 AND due_at = ?5"},
  });
}

std::expected<bool, StoreError> SqliteStore::apply(const SetReminder& set, std::int64_t) {
  const Reminder& reminder = set.reminder;
  set_name(statements_.set_reminder, reminder.name)
      .set(4, std::int64_t{reminder.shard.value})
      .set(5, reminder.due_ns)
      .set(6, reminder.first_ns)
      .set(7, reminder.every_ns)
      .set(8, to_signed(reminder.schema.value))
      .set(9, to_signed(reminder_checksum(reminder)))
      .set(10, to_signed(reminder_due_checksum(reminder.name, reminder.due_ns)))
      .set(11, std::string_view(reminder.method))
      .set(12, std::span<const std::byte>(reminder.arguments))
      .set(13, std::int64_t{set.start == kernel::ReminderStart::from_now ? 1 : 0});
  EPIC_TRY(execute(statements_.set_reminder, "set the reminder " + text_of(reminder.name)));
  return true;
}

std::expected<bool, StoreError> SqliteStore::apply(const ForgetReminder& forget, std::int64_t) {
  if (forget.name.name.empty()) {
    statements_.forget_reminders.set(1, std::string_view(forget.name.type)).set(2, std::string_view(forget.name.key));
    EPIC_TRY(execute(statements_.forget_reminders,
                     fmt::format("remove the reminders of {}/{}", forget.name.type, forget.name.key)));
  } else {
    set_name(statements_.forget_reminder, forget.name);
    EPIC_TRY(execute(statements_.forget_reminder, "remove the reminder " + text_of(forget.name)));
  }
  return true;
}

std::expected<bool, StoreError> SqliteStore::apply(const AdvanceReminder& advance, std::int64_t) {
  Statement& statement = advance.next_ns ? statements_.advance_reminder : statements_.end_reminder;
  set_name(statement, advance.name).set(4, std::int64_t{advance.shard.value}).set(5, advance.due_ns);
  if (advance.next_ns)
    statement.set(6, *advance.next_ns).set(7, to_signed(reminder_due_checksum(advance.name, *advance.next_ns)));
  EPIC_TRY(execute(statement, "advance the reminder " + text_of(advance.name)));
  return connection_.changed_count() == 1;
}

std::expected<ReminderPage, StoreError> SqliteStore::reminders_of(kernel::ShardId shard, const ReminderPlace& after,
                                                                  std::size_t limit) {
  ReminderPage page{.next = after};
  if (!has_reminders()) return page;
  const ResetGuard guard(statements_.reminders_of);
  statements_.reminders_of.set(1, std::int64_t{shard.value})
      .set(2, after.due_ns)
      .set(3, std::string_view(after.name.type))
      .set(4, std::string_view(after.name.key))
      .set(5, std::string_view(after.name.name));
  auto rows = EPIC_TRY(read_reminder_rows(statements_.reminders_of, connection_, limit));
  page.is_last = rows.is_last;
  for (ReminderRow& row : rows.list) {
    page.next = place_of(row.reminder);
    if (row.damage)
      page.damaged.push_back(std::move(row.damage->message));
    else
      page.rows.push_back(std::move(row.reminder));
  }
  return page;
}

std::expected<std::vector<std::string>, StoreError> SqliteStore::reminder_names(std::string_view type,
                                                                                std::string_view key,
                                                                                std::size_t limit) {
  std::vector<std::string> names;
  if (!has_reminders()) return names;
  Statement& statement = statements_.reminder_names;
  const ResetGuard guard(statement);
  statement.set(1, type).set(2, key).set(3, static_cast<std::int64_t>(limit));
  Step step = statement.step();
  for (; step == Step::row; step = statement.step()) names.emplace_back(statement.text(0));
  if (step == Step::failed)
    return std::unexpected(connection_.error(fmt::format("read the reminders of {}/{}", type, key)));
  return names;
}

std::expected<void, StoreError> SqliteStore::list_reminders(
    const ReminderFilter& filter, const std::function<Visit(const Reminder&)>& visit,
    const std::function<void(const DamagedReminder&)>& on_corrupt) {
  if (!has_reminders()) return {};
  const auto read_after = [&](const ReminderName& name) {
    const ResetGuard guard(statements_.list_reminders);
    set_name(statements_.list_reminders, name);
    return read_reminder_rows(statements_.list_reminders, connection_, kPageRowsMax);
  };
  std::uint64_t left = filter.limit;
  ReminderName after{.type = filter.type, .key = filter.key, .name = {}};
  for (bool is_last = false; !is_last && left > 0;) {
    const auto rows = EPIC_TRY(read_after(after));
    for (const ReminderRow& row : rows.list) {
      after = row.reminder.name;
      if (!filter.type.empty() && after.type != filter.type) return {};
      if (!filter.key.empty() && after.key != filter.key) return {};
      if (row.damage) {
        on_corrupt({*row.damage, after});
        continue;
      }
      if (left-- == 0 || visit(row.reminder) == Visit::stop) return {};
    }
    is_last = rows.is_last;
  }
  return {};
}

std::expected<std::uint64_t, StoreError> SqliteStore::count_reminders() {
  if (!has_reminders()) return std::uint64_t{0};
  const auto count = EPIC_TRY(connection_.integer("SELECT count(*) FROM reminders"));
  return to_unsigned(count);
}

}  // namespace epic::storage
