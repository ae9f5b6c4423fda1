#include "storage/memory_reminders.hpp"

#include <algorithm>
#include <variant>

namespace epic::storage {

namespace {

const ReminderName* find_name(const Operation& operation) {
  if (const auto* const set = std::get_if<SetReminder>(&operation)) return &set->reminder.name;
  if (const auto* const forget = std::get_if<ForgetReminder>(&operation)) return &forget->name;
  if (const auto* const advance = std::get_if<AdvanceReminder>(&operation)) return &advance->name;
  return nullptr;
}

bool is_of(const ReminderName& reminder, const ReminderName& entity) {
  return reminder.type == entity.type && reminder.key == entity.key;
}

}  // namespace

void MemoryReminders::put(const Reminder& reminder) {
  if (const auto known = rows_.find(reminder.name); known != rows_.end()) remove(known);
  by_due_.emplace(reminder.shard, place_of(reminder));
  rows_.emplace(reminder.name, reminder);
}

MemoryReminders::Rows::iterator MemoryReminders::remove(Rows::iterator row) {
  by_due_.erase({row->second.shard, place_of(row->second)});
  return rows_.erase(row);
}

bool MemoryReminders::change(const SetReminder& set) {
  const auto known = rows_.find(set.reminder.name);
  if (known == rows_.end() || !is_equal(set, known->second)) put(set.reminder);
  return true;
}

bool MemoryReminders::change(const ForgetReminder& forget) {
  if (!forget.name.name.empty()) {
    if (const auto known = rows_.find(forget.name); known != rows_.end()) remove(known);
    return true;
  }
  auto at = rows_.lower_bound(forget.name);
  while (at != rows_.end() && is_of(at->first, forget.name)) at = remove(at);
  return true;
}

bool MemoryReminders::change(const AdvanceReminder& advance) {
  const auto known = rows_.find(advance.name);
  if (known == rows_.end() || known->second.due_ns != advance.due_ns || known->second.shard != advance.shard)
    return false;
  if (!advance.next_ns) {
    remove(known);
    return true;
  }
  Reminder next = known->second;
  next.due_ns = *advance.next_ns;
  put(next);
  return true;
}

void MemoryReminders::lend(const Operation& operation, MemoryReminders& trial) const {
  const ReminderName* const name = find_name(operation);
  if (name == nullptr || !trial.lent_.emplace(name->type, name->key).second) return;
  for (auto at = rows_.lower_bound({name->type, name->key, {}}); at != rows_.end() && is_of(at->first, *name); ++at)
    trial.put(at->second);
}

ReminderPage MemoryReminders::page_of(kernel::ShardId shard, const ReminderPlace& after, std::size_t limit) const {
  ReminderPage page{.next = after};
  std::size_t bytes = 0;
  const std::size_t rows_max = std::min(limit, kPageRowsMax);
  for (auto at = by_due_.upper_bound({shard, after}); at != by_due_.end() && at->first == shard; ++at) {
    page.is_last = page.rows.size() < rows_max && bytes < kPageBytesMax;
    if (!page.is_last) break;
    page.next = at->second;
    page.rows.push_back(rows_.at(at->second.name));
    bytes += page.rows.back().arguments.size();
  }
  return page;
}

std::vector<std::string> MemoryReminders::names_of(std::string_view type, std::string_view key,
                                                   std::size_t limit) const {
  const ReminderName entity{.type = std::string(type), .key = std::string(key), .name = {}};
  std::vector<std::string> names;
  for (auto at = rows_.lower_bound(entity); at != rows_.end() && is_of(at->first, entity) && names.size() < limit; ++at)
    names.push_back(at->first.name);
  return names;
}

void MemoryReminders::reshard(const kernel::Placement& placement) {
  by_due_.clear();
  for (auto& [name, reminder] : rows_) {
    reminder.shard = placement.shard_of(name.type, name.key);
    by_due_.emplace(reminder.shard, place_of(reminder));
  }
}

std::vector<Reminder> MemoryReminders::copy_page(ReminderName& after, const ReminderFilter& filter) const {
  std::vector<Reminder> page;
  std::size_t bytes = 0;
  for (auto at = rows_.upper_bound(after); at != rows_.end() && page.size() < kPageRowsMax && bytes < kPageBytesMax;
       ++at) {
    if (!filter.type.empty() && at->first.type != filter.type) break;
    if (!filter.key.empty() && at->first.key != filter.key) break;
    after = at->first;
    bytes += at->second.arguments.size();
    page.push_back(at->second);
  }
  return page;
}

}  // namespace epic::storage
