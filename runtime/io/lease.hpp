#pragma once
// Lease: until when this node may run and answer, by the boot clock of its machine.
//
// Its machine holds a lease; when that ends, other nodes may be given the node's shards and change their entities. So
// what this node has in memory may be stale from then on, and nothing of it may be shown. The supervisor reports each
// renewal. A node of a fabric on one machine has no lease: its supervisor gives shards away only when their owner has
// ended, or has released them. For such a node is_valid() is one comparison, and reads no clock.
//
// The answer is out of date as soon as it is given, if the process is stopped then. What makes that harmless:
// engine.hpp (turns), ../transport/transport.hpp (bytes), and the lease's margin.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "io/clock.hpp"

namespace epic::io {

enum class LeaseMode : std::uint8_t { none, leased };

/// renew() on one thread, is_valid() on any.
class Lease {
 public:
  /// Not valid before it was renewed once, unless `mode` is none. `clock` outlives this.
  Lease(const Clock& clock, LeaseMode mode)
      : clock_(clock), valid_until_ns_(mode == LeaseMode::none ? kForever : INT64_MIN) {}

  [[nodiscard]] bool exists() const { return valid_until_ns_.load(std::memory_order_relaxed) != kForever; }
  /// Never shortens it.
  void renew(BootTime valid_until) {
    if (!exists()) return;
    const std::int64_t until_ns = std::min(valid_until.time_since_epoch().count(), kForever - 1);
    if (until_ns > valid_until_ns_.load(std::memory_order_relaxed))
      valid_until_ns_.store(until_ns, std::memory_order_relaxed);
  }
  /// By the clock, now.
  [[nodiscard]] bool is_valid() const { return !exists() || is_valid_at(clock_.boot_now()); }
  [[nodiscard]] bool is_valid_at(BootTime time) const {
    return time.time_since_epoch().count() < valid_until_ns_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kForever = INT64_MAX;

  const Clock& clock_;
  std::atomic<std::int64_t> valid_until_ns_;
};

}  // namespace epic::io
