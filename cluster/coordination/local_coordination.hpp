#pragma once
// LocalCoordination: coordination in the memory of one process, the supervisor.
//
// It knows more than a remote service could: the death of a holder from its pidfd (then the supervisor revokes the
// lease at once), and that a silent holder can be killed. So a lease that was not renewed does not end by itself: it is
// *overdue*, and its keys stay until the supervisor has killed the holder, has seen its end, and revokes the lease.
// Between "silent" and "granted to another" lies a death, never a hope.

#include <map>
#include <utility>

#include "cluster/coordination/coordination.hpp"

namespace epic::cluster {

/// One thread. Watchers may call back in.
class LocalCoordination final : public Coordination {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  explicit LocalCoordination(Clock clock) : clock_(std::move(clock)) {}

  LeaseId grant(std::chrono::nanoseconds patience) override;
  bool try_renew(LeaseId lease) override;
  void revoke(LeaseId lease) override;
  bool put_if_absent(std::string_view key, std::string_view value, LeaseId lease) override;
  std::optional<std::string> find(std::string_view key) const override;
  std::vector<CoordinationEntry> list(std::string_view prefix) const override;
  void watch(std::string_view prefix, Watcher watcher) override;

  /// Leases whose patience is over; each stays in the list until it is renewed or revoked.
  [[nodiscard]] std::vector<LeaseId> list_overdue() const;

  /// This process itself was away (stopped, or the machine slept) and could not hear renewals: all get their time anew.
  void renew_all();

 private:
  struct Lease {
    std::chrono::nanoseconds patience;
    std::chrono::steady_clock::time_point deadline;
    std::vector<std::string> keys;
  };

  void tell(const CoordinationChange& change);

  Clock clock_;
  LeaseId last_lease_{0};
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::pair<std::string, Watcher>> watchers_;
};

}  // namespace epic::cluster
