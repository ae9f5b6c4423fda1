#pragma once
// Coordination: the little that the processes of a fabric must agree on through a third party.
//
// Keys with values, each held by a lease. A member holds "members/<node>" by a lease that it keeps renewing; when the
// lease ends the key goes, and watchers are told. put_if_absent lets one of several candidates win.
//
// Operations take effect in the order in which they were begun, and are answered in that order, each exactly once and
// never before the call that began it has returned. A change reaches the watchers before its own operation is answered
// or after: a caller must be prepared for both.
//
// Implementations: local_coordination.hpp, kept by the supervisor of a fabric on one machine; etcd_coordination.hpp.
// Not here:        who owns which shard. The store fences that; coordination only says who may try.

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/ids.hpp"

namespace epic::cluster {

using LeaseId = kernel::StrongId<struct LeaseIdTag, std::uint64_t>;

/// The keeper could not be asked: nobody knows whether the operation took effect, or still will.
struct CoordinationError {
  std::string message;
};

/// The key now has this value, or (empty) is gone.
struct CoordinationChange {
  std::string key;
  std::optional<std::string> value;
};

/// One thread, also for what is called back.
class Coordination {
 public:
  template <class Result>
  using Done = std::move_only_function<void(std::expected<Result, CoordinationError>)>;
  using Watcher = std::function<void(const CoordinationChange&)>;

  virtual ~Coordination() = default;

  /// A lease that ends unless it is renewed within `timeout`.
  virtual void open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) = 0;

  /// False if the lease has ended: its keys are gone, and the holder must stop relying on them.
  virtual void renew(LeaseId lease, Done<bool> done) = 0;

  /// Ends the lease and removes its keys in the order in which they were put. Does nothing if it has ended.
  virtual void revoke(LeaseId lease, Done<void> done) = 0;

  /// False, without a change, if the key exists or the lease has ended.
  virtual void put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) = 0;

  /// `watcher` is told of every key under `prefix` that is there, by key, and then of every change, in order; as long
  /// as this lives.
  virtual void watch(std::string_view prefix, Watcher watcher) = 0;
};

}  // namespace epic::cluster
