#pragma once
// Partitions: what the leader knows about machines that cannot reach each other, and which of them have to go.
//
// Two machines that both hold their leases, but cannot reach each other, would keep each other's callers waiting. So
// when they have been apart for longer than a lease, the leader keeps the largest set of machines that all reach each
// other (placement/connected.hpp) and evicts the others. A machine that is dead is not evicted: its lease has ended by
// then.
//
// What a machine says counts as long as it goes on saying it. What nobody says is taken for connected: so a leader that
// cannot reach two machines assumes that these reach each other, and gives way.
//
// Not here: how machines notice (reachability.hpp), how one is evicted (membership.hpp).

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/placement/connected.hpp"
#include "cluster/supervisor/host.hpp"
#include "protocol/machines.hpp"

namespace epic::cluster {

/// No I/O. Single-threaded.
class Partitions {
 public:
  /// That an eviction waits for, beyond the lease: a machine that has died has lost its lease by then.
  static constexpr std::chrono::milliseconds kMargin{500};
  /// After that time without another one, a report is void.
  static constexpr std::chrono::seconds kReportMax{3};

  struct Eviction {
    std::string machine;
    std::vector<std::string> unreached;  // of those that stay
    bool operator==(const Eviction&) const = default;
  };

  /// Whether the leader may be one of those that go. While it stops the fabric it sees that to its end.
  enum class Leader : std::uint8_t { may_go, stays };

  explicit Partitions(std::chrono::nanoseconds lease) : patience_(lease + lease / 4 + kMargin) {}

  /// The newest of `machine`, or of the leader itself.
  void report(const std::string& machine, std::vector<protocol::Unreached::Machine> unreached, Host::TimePoint now);
  /// Those that have to go now. Each is returned once.
  [[nodiscard]] std::vector<Eviction> decide(std::vector<ConnectedMachine> machines, Host::TimePoint now,
                                             Leader leader = Leader::may_go);
  /// It could not be evicted, and is returned again.
  void retry(const std::string& machine) { evicted_.erase(machine); }

  [[nodiscard]] std::chrono::nanoseconds patience() const { return patience_; }

 private:
  struct Report {
    std::vector<protocol::Unreached::Machine> unreached;
    Host::TimePoint at;
  };

  std::chrono::nanoseconds patience_;
  std::map<std::string, Report> reports_;
  std::set<std::string> evicted_;  // until they are gone
};

/// "cannot reach oak and elm".
[[nodiscard]] std::string describe(const Partitions::Eviction& eviction);

}  // namespace epic::cluster
