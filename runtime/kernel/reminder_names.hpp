#pragma once
// ReminderNames: the names of an entity's reminders, as hashes, from its loading on.
//
// How many an entity has is bounded, and remind() has to say at once whether there is room. Only the next few reminders
// of a shard are in memory, so the store says when an entity is loaded which ones it has; from then on each of its
// changes is noted. An instance whose changes are undone is discarded, and the next one loads them anew.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/batch.hpp"

namespace epic::kernel {

class ReminderNames {
 public:
  ReminderNames() = default;
  explicit ReminderNames(const std::vector<std::string>& names);

  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return hashes_.size(); }
  [[nodiscard]] bool empty() const { return hashes_.empty(); }

  /// A change of the entity's reminders; any other operation changes nothing.
  void note(const Operation& change);
  /// The entity was erased.
  void clear() { hashes_ = {}; }

 private:
  void insert(std::string_view name);
  void remove(std::string_view name);

  std::vector<std::uint64_t> hashes_;  // sorted
};

}  // namespace epic::kernel
