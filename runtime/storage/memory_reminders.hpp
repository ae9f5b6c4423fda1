#pragma once
// MemoryReminders: the reminders of a MemoryStore, by name and by due time.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/placement.hpp"
#include "storage/store.hpp"

namespace epic::storage {

class MemoryReminders {
 public:
  /// Makes the change. False: it does not find the row that it states, and nothing has changed.
  bool change(const SetReminder& set);
  bool change(const ForgetReminder& forget);
  bool change(const AdvanceReminder& advance);

  /// Copies the reminders of the entity that the operation is about into `trial`, unless they have been copied before:
  /// the change can be tried there.
  void lend(const Operation& operation, MemoryReminders& trial) const;

  [[nodiscard]] ReminderPage page_of(kernel::ShardId shard, const ReminderPlace& after, std::size_t limit) const;
  [[nodiscard]] std::vector<std::string> names_of(std::string_view type, std::string_view key, std::size_t limit) const;
  /// The next ones after `after`, which becomes the last of them.
  [[nodiscard]] std::vector<Reminder> copy_page(ReminderName& after, const ReminderFilter& filter) const;
  [[nodiscard]] std::uint64_t count() const { return rows_.size(); }
  void reshard(const kernel::Placement& placement);

 private:
  using Entity = std::pair<std::string, std::string>;  // type, key
  using Rows = std::map<ReminderName, Reminder>;

  void put(const Reminder& reminder);
  Rows::iterator remove(Rows::iterator row);

  Rows rows_;
  std::set<std::pair<kernel::ShardId, ReminderPlace>> by_due_;
  std::set<Entity> lent_;  // to this one
};

}  // namespace epic::storage
