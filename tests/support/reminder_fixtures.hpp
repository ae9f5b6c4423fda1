#pragma once
// What the tests of stored reminders share: reminders, and operations on them in one line.

#include <optional>

#include "support/store_fixtures.hpp"

namespace epic::storage::test {

/// Of T/a on shard 0, once.
inline Reminder reminder(std::string name, std::int64_t due_ns, std::string key = "a",
                         kernel::ShardId shard = kernel::ShardId{0}) {
  return {.name = {.type = "T", .key = std::move(key), .name = std::move(name)},
          .shard = shard,
          .due_ns = due_ns,
          .first_ns = due_ns,
          .every_ns = 0,
          .method = "tick",
          .schema = kSchema,
          .arguments = bytes_of("round")};
}
inline Reminder recurring(std::string name, std::int64_t due_ns, std::int64_t every_ns, std::string key = "a") {
  Reminder made = reminder(std::move(name), due_ns, std::move(key));
  made.every_ns = every_ns;
  return made;
}

inline Operation set(Reminder reminder, kernel::ReminderStart start = kernel::ReminderStart::at_time) {
  return SetReminder{std::move(reminder), start};
}
inline Operation forgotten(const Reminder& reminder) { return ForgetReminder{reminder.name, reminder.shard}; }
inline Operation advanced(const Reminder& reminder, std::optional<std::int64_t> next_ns) {
  return AdvanceReminder{.name = reminder.name, .shard = reminder.shard, .due_ns = reminder.due_ns, .next_ns = next_ns};
}

/// "a.tick@5" of those of a shard, a page at a time.
inline std::vector<std::string> due_in(Store& store, kernel::ShardId shard = kernel::ShardId{0},
                                       std::size_t limit = 1000, ReminderPlace after = {}) {
  std::vector<std::string> found;
  for (bool is_last = false; !is_last;) {
    const ReminderPage page = must(store.reminders_of(shard, after, limit));
    CHECK(page.damaged.empty());
    CHECK(page.rows.size() <= limit);
    for (const Reminder& one : page.rows)
      found.push_back(one.name.key + "." + one.name.name + "@" + std::to_string(one.due_ns));
    after = page.next;
    is_last = page.is_last;
  }
  return found;
}

/// All that the filter accepts.
inline std::vector<Reminder> reminders(Store& store, const ReminderFilter& filter = {}) {
  std::vector<Reminder> found;
  must(store.list_reminders(
      filter,
      [&](const Reminder& one) {
        found.push_back(one);
        return Visit::go_on;
      },
      [](const DamagedReminder& damage) { FAIL_CHECK("unexpected damage: " << damage.message); }));
  return found;
}

}  // namespace epic::storage::test
