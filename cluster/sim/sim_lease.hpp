#pragma once
// SimLease: the lease of a simulated machine, under which its supervisor leads the fabric while no other does.
//
// The lease, its renewals and what nodes are told of them are the production code. That one supervisor leads at a time
// is one key here, held by the lease.

#include <functional>
#include <memory>
#include <string>

#include "cluster/coordination/lease_keeper.hpp"
#include "cluster/sim/coordination_service.hpp"
#include "cluster/sim/sim_host.hpp"
#include "cluster/supervisor/leased_nodes.hpp"

namespace epic::cluster::sim {

class SimLease {
 public:
  /// Neither may destroy this.
  struct Events {
    std::function<void()> on_lead;  // once
    std::function<void()> on_lost;
  };

  /// `host` gets nodes that know of the lease. Both outlive this; its processes do not.
  SimLease(SimHost& host, CoordinationService& service, LeaseSettings settings, Events events);
  SimLease(const SimLease&) = delete;
  SimLease& operator=(const SimLease&) = delete;

 private:
  void on_renewed(io::BootTime valid_until);
  void try_lead();

  Events events_;
  std::string name_;
  LeasedNodes nodes_;
  std::unique_ptr<Coordination> session_;
  Timer renewal_;
  Timer attempt_;
  LeaseKeeper keeper_;
  bool is_candidate_ = false;
};

}  // namespace epic::cluster::sim
