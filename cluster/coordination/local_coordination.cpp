#include "cluster/coordination/local_coordination.hpp"

namespace epic::cluster {

template <class Result>
void LocalCoordination::answer(Done<Result> done, std::expected<Result, CoordinationError> result) {
  post_([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void LocalCoordination::open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) {
  last_lease_ = last_lease_.next();
  leases_.emplace(last_lease_, Lease{timeout, clock_() + timeout, {}});
  answer<LeaseId>(std::move(done), last_lease_);
}

void LocalCoordination::renew(LeaseId lease, Done<bool> done) {
  const auto found = leases_.find(lease);
  if (found != leases_.end()) found->second.deadline = clock_() + found->second.timeout;
  answer<bool>(std::move(done), found != leases_.end());
}

void LocalCoordination::revoke(LeaseId lease, Done<void> done) {
  auto ended = leases_.extract(lease);
  if (!ended.empty()) {
    for (std::string& key : ended.mapped().keys) {
      values_.erase(key);
      tell({std::move(key), std::nullopt});
    }
  }
  answer<void>(std::move(done), {});
}

void LocalCoordination::put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) {
  const auto holder = leases_.find(lease);
  const bool is_put = holder != leases_.end() && !values_.contains(key);
  if (is_put) {
    values_.emplace(key, value);
    holder->second.keys.emplace_back(key);
    tell({std::string(key), std::string(value)});
  }
  answer<bool>(std::move(done), is_put);
}

void LocalCoordination::watch(std::string_view prefix, Watcher watcher) {
  for (auto entry = values_.lower_bound(prefix); entry != values_.end() && entry->first.starts_with(prefix); ++entry)
    post_([watcher, change = CoordinationChange{entry->first, entry->second}] { watcher(change); });
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
  for (auto& [id, lease] : leases_) lease.deadline = clock_() + lease.timeout;
}

void LocalCoordination::tell(const CoordinationChange& change) {
  for (const auto& [prefix, watcher] : watchers_)
    if (change.key.starts_with(prefix)) post_([watcher, change] { watcher(change); });
}

}  // namespace epic::cluster
