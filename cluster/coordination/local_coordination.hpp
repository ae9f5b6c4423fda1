#pragma once
// LocalCoordination: coordination in the memory of one process, the supervisor.
//
// It knows more than a remote service could: the death of a holder from its pidfd (then the supervisor revokes the
// lease at once), and that a silent holder can be killed. So a lease that was not renewed does not end by itself: it is
// *overdue*, and its keys stay until the supervisor has killed the holder, has seen its end, and revokes the lease.
// Between "silent" and "granted to another" lies a death, never a hope.
//
// Operations take effect at once; what they answer, and what watchers hear, is called back later, in order.

#include <map>
#include <utility>
#include <vector>

#include "cluster/coordination/coordination.hpp"

namespace epic::cluster {

class LocalCoordination final : public Coordination {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  /// Runs its argument on this thread, after what runs now, in the order of the calls.
  using Post = std::function<void(std::move_only_function<void()>)>;
  LocalCoordination(Clock clock, Post post) : clock_(std::move(clock)), post_(std::move(post)) {}

  void open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) override;
  void renew(LeaseId lease, Done<bool> done) override;
  void revoke(LeaseId lease, Done<void> done) override;
  void put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) override;
  void watch(std::string_view prefix, Watcher watcher) override;

  /// Leases past their timeout; each stays in the list until it is renewed or revoked.
  [[nodiscard]] std::vector<LeaseId> list_overdue() const;

  /// This process itself was suspended (stopped, or the machine slept) and could not receive renewals: all leases start
  /// anew.
  void renew_all();

 private:
  struct Lease {
    std::chrono::nanoseconds timeout;
    std::chrono::steady_clock::time_point deadline;
    std::vector<std::string> keys;
  };

  template <class Result>
  void answer(Done<Result> done, std::expected<Result, CoordinationError> result);
  void tell(const CoordinationChange& change);

  Clock clock_;
  Post post_;
  LeaseId last_lease_{0};
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::pair<std::string, Watcher>> watchers_;
};

}  // namespace epic::cluster
