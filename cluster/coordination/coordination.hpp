#pragma once
// Coordination: the little that the processes of a fabric must agree on through a third party.
//
// Keys with values, each held by a lease. Who is a member holds "members/<node>" with a lease that it keeps renewing;
// when the lease ends the key goes, and whoever watches hears of it. put_if_absent makes one of several candidates win.
//
// Implementations: local_coordination.hpp, kept by the supervisor of a fabric on one machine.
// Not here:        who owns which shard. The store fences that with epochs; coordination only says who may try.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/ids.hpp"

namespace epic::cluster {

using LeaseId = kernel::StrongId<struct LeaseIdTag, std::uint64_t>;

struct CoordinationEntry {
  std::string key;
  std::string value;
  bool operator==(const CoordinationEntry&) const = default;
};

/// What a watcher hears: the key now has this value, or (empty) is gone.
struct CoordinationChange {
  std::string key;
  std::optional<std::string> value;
};

class Coordination {
 public:
  using Watcher = std::function<void(const CoordinationChange&)>;

  virtual ~Coordination() = default;

  /// A lease that ends unless it is renewed within `patience`, again and again.
  [[nodiscard]] virtual LeaseId grant(std::chrono::nanoseconds patience) = 0;

  /// False if the lease has ended: its keys are gone, and the holder must stop acting on them.
  [[nodiscard]] virtual bool try_renew(LeaseId lease) = 0;

  /// Ends the lease; its keys go, in the order in which they were put. Nothing happens if it has ended.
  virtual void revoke(LeaseId lease) = 0;

  /// False, and nothing happens, if the key is there or the lease has ended.
  [[nodiscard]] virtual bool put_if_absent(std::string_view key, std::string_view value, LeaseId lease) = 0;

  [[nodiscard]] virtual std::optional<std::string> find(std::string_view key) const = 0;

  /// Entries whose key starts with `prefix`, by key.
  [[nodiscard]] virtual std::vector<CoordinationEntry> list(std::string_view prefix) const = 0;

  /// From now on `watcher` hears of every change under `prefix`, after it was made and in order; as long as this lives.
  virtual void watch(std::string_view prefix, Watcher watcher) = 0;
};

}  // namespace epic::cluster
