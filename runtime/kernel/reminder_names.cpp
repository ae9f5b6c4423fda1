#include "kernel/reminder_names.hpp"

#include <algorithm>
#include <span>
#include <variant>

#include "kernel/hash128.hpp"

namespace epic::kernel {

namespace {

std::uint64_t hash_of_reminder(std::string_view name) { return hash128(std::as_bytes(std::span(name))).low; }

}  // namespace

ReminderNames::ReminderNames(const std::vector<std::string>& names) {
  hashes_.reserve(names.size());
  for (const std::string& name : names) hashes_.push_back(hash_of_reminder(name));
  std::ranges::sort(hashes_);
}

bool ReminderNames::contains(std::string_view name) const {
  return std::ranges::binary_search(hashes_, hash_of_reminder(name));
}

void ReminderNames::note(const Operation& change) {
  if (const auto* const set = std::get_if<SetReminder>(&change)) insert(set->reminder.name.name);
  if (const auto* const forget = std::get_if<ForgetReminder>(&change)) remove(forget->name.name);
  if (const auto* const advance = std::get_if<AdvanceReminder>(&change); advance != nullptr && !advance->next_ns)
    remove(advance->name.name);
}

void ReminderNames::insert(std::string_view name) {
  const std::uint64_t hash = hash_of_reminder(name);
  const auto at = std::ranges::lower_bound(hashes_, hash);
  if (at == hashes_.end() || *at != hash) hashes_.insert(at, hash);
}

void ReminderNames::remove(std::string_view name) {
  const std::uint64_t hash = hash_of_reminder(name);
  const auto at = std::ranges::lower_bound(hashes_, hash);
  if (at != hashes_.end() && *at == hash) hashes_.erase(at);
}

}  // namespace epic::kernel
