#include "cluster/coordination/local_coordination.hpp"

namespace epic::cluster {

LeaseId LocalCoordination::grant(std::chrono::nanoseconds patience) {
  last_lease_ = last_lease_.next();
  leases_.emplace(last_lease_, Lease{patience, clock_() + patience, {}});
  return last_lease_;
}

bool LocalCoordination::try_renew(LeaseId lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return false;
  found->second.deadline = clock_() + found->second.patience;
  return true;
}

void LocalCoordination::revoke(LeaseId lease) {
  auto ended = leases_.extract(lease);
  if (ended.empty()) return;
  for (std::string& key : ended.mapped().keys) {
    values_.erase(key);
    tell({std::move(key), std::nullopt});
  }
}

bool LocalCoordination::put_if_absent(std::string_view key, std::string_view value, LeaseId lease) {
  const auto holder = leases_.find(lease);
  if (holder == leases_.end() || values_.contains(key)) return false;
  values_.emplace(key, value);
  holder->second.keys.emplace_back(key);
  tell({std::string(key), std::string(value)});
  return true;
}

std::optional<std::string> LocalCoordination::find(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

std::vector<CoordinationEntry> LocalCoordination::list(std::string_view prefix) const {
  std::vector<CoordinationEntry> entries;
  for (auto entry = values_.lower_bound(prefix); entry != values_.end() && entry->first.starts_with(prefix); ++entry)
    entries.push_back({entry->first, entry->second});
  return entries;
}

void LocalCoordination::watch(std::string_view prefix, Watcher watcher) {
  watchers_.emplace_back(prefix, std::move(watcher));
}

std::vector<LeaseId> LocalCoordination::list_overdue() const {
  const auto now = clock_();
  std::vector<LeaseId> overdue;
  for (const auto& [id, lease] : leases_)
    if (lease.deadline < now) overdue.push_back(id);
  return overdue;
}

void LocalCoordination::renew_all() {
  for (auto& [id, lease] : leases_) lease.deadline = clock_() + lease.patience;
}

void LocalCoordination::tell(const CoordinationChange& change) {
  for (std::size_t i = 0; i < watchers_.size(); ++i)  // by index: a watcher may add watchers
    if (change.key.starts_with(watchers_[i].first)) Watcher(watchers_[i].second)(change);
}

}  // namespace epic::cluster
