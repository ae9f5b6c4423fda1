#include "cli/fabric/stored_reminders.hpp"

#include <chrono>
#include <utility>

#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "protocol/log_line.hpp"

namespace epic::cli {

using storage::Reminder;

Result<StoredReminders> StoredReminders::open(const ProjectPaths& paths) {
  return StoredReminders(EPIC_TRY(open_to_read(paths)), names_of_build(paths));
}

StoredReminders::StoredReminders(std::unique_ptr<storage::Store> store, Catalog names)
    : store_(std::move(store)), names_(std::move(names)), readers_(readers_of(*store_, names_)) {}

Result<void> StoredReminders::list(const EntityName& of, std::uint64_t limit,
                                   const std::function<void(const Reminder&)>& visit,
                                   const std::function<void(const std::string&)>& on_damage) {
  const auto listed = store_->list_reminders(
      {.type = of.type.empty() ? std::string() : names_.stored_name(of.type), .key = of.key, .limit = limit},
      [&](const Reminder& reminder) {
        visit(reminder);
        return storage::Visit::go_on;
      },
      [&](const storage::DamagedReminder& damaged) { on_damage(damaged.message); });
  if (!listed) return fail(failure_of(listed.error()));
  return {};
}

Result<std::uint64_t> StoredReminders::count(const EntityName& of) {
  if (of.type.empty()) {
    const auto all = store_->count_reminders();
    if (!all) return fail(failure_of(all.error()));
    return *all;
  }
  std::uint64_t count = 0;
  EPIC_TRY(list(of, UINT64_MAX, [&](const Reminder&) { ++count; }, [](const std::string&) {}));
  return count;
}

Result<void> StoredReminders::check_type(const std::string& type) { return check_known_type(*store_, names_, type); }

boost::json::object StoredReminders::describe(const Reminder& reminder) {
  using namespace std::chrono;
  const auto due_at = system_clock::time_point(duration_cast<system_clock::duration>(nanoseconds(reminder.due_ns)));
  boost::json::value arguments;
  if (const auto reader = readers_.find(reminder.schema))
    if (auto read = (*reader)->to_json(reminder.arguments)) arguments = std::move(*read);
  return {
      {"entity", names_.shown(reminder.name.type + '/' + reminder.name.key)},
      {"name", reminder.name.name},
      {"due_at", protocol::format_time(due_at)},
      {"every_ms", reminder.every_ns == 0 ? boost::json::value() : boost::json::value(reminder.every_ns / 1'000'000)},
      {"method", reminder.method},
      {"arguments", std::move(arguments)}};
}

}  // namespace epic::cli
