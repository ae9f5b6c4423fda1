#pragma once
// LeasedNodes: tells the nodes of this machine until when its lease is valid, at once after each renewal.
//
// The part that spawns a node has its process adopted here, and goes on with what it gets: the node's Configure then
// says that it lives under a lease, and the newest renewal follows it. When the lease is lost, the owner of the
// processes kills them.
//
// Not here: the lease (coordination/lease_keeper.hpp), what a node does without one (runtime/io/engine.hpp).

#include <memory>
#include <optional>
#include <vector>

#include "cluster/supervisor/node_process.hpp"
#include "protocol/boot_time.hpp"

namespace epic::cluster {

/// Single-threaded. Outlives the processes.
class LeasedNodes {
 public:
  LeasedNodes() = default;
  LeasedNodes(const LeasedNodes&) = delete;
  LeasedNodes& operator=(const LeasedNodes&) = delete;

  [[nodiscard]] std::unique_ptr<NodeProcess> adopt(std::unique_ptr<NodeProcess> process);
  void on_renewed(protocol::BootTime valid_until);
  /// Nodes that are started from here on wait for the next lease.
  void on_lost() { valid_until_.reset(); }

 private:
  class Process;

  std::optional<protocol::BootTime> valid_until_;
  std::vector<Process*> configured_;  // in that order
};

}  // namespace epic::cluster
