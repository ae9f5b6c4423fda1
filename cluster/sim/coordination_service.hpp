#pragma once
// CoordinationService: the coordination of a simulated world, as a service that processes reach over a network.
//
// Keys and leases are those of LocalCoordination; here a lease that was not renewed in time ends by itself, by the
// service's clock, which is the world's. Requests and answers take time. While the service is away, a request fails
// after a while, and nobody knows whether it took effect; who watches is shown no change, and later only what is
// different from what was shown before.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "cluster/coordination/local_coordination.hpp"
#include "cluster/sim/world.hpp"

namespace epic::cluster::sim {

class CoordinationService {
 public:
  explicit CoordinationService(World& world);

  /// For a process. Calls nothing back once it is destroyed, or the process is gone. The service outlives it.
  [[nodiscard]] std::unique_ptr<Coordination> connect(Process& process);

  // ---- faults
  void set_away(bool is_away);
  /// The same for one process.
  void set_unreachable(ProcessId from, bool is_unreachable);
  /// Answers take up to this much longer, requests do not; 0: as usual.
  void set_slowness(nanoseconds answer_delay_max) { answer_delay_max_ = answer_delay_max; }

 private:
  class Session;
  struct Line;

  void show_all();
  [[nodiscard]] nanoseconds draw_slowness();
  void open_lease(nanoseconds timeout, Coordination::Done<LeaseId> answer);
  void renew(LeaseId lease, Coordination::Done<bool> answer);
  void end_after(nanoseconds timeout);

  World& world_;
  LocalCoordination held_;
  std::map<LeaseId, nanoseconds> timeouts_;  // as they were opened
  bool is_away_ = false;
  std::set<ProcessId> unreachable_from_;
  std::vector<std::weak_ptr<Line>> lines_;  // of sessions
  nanoseconds answer_delay_max_{0};
};

}  // namespace epic::cluster::sim
