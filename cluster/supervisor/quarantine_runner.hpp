#pragma once
// QuarantineRunner: carries out quarantines on the fleet: nodes refuse the entities, people are told.
//
// Not here: which entities, and for how long (quarantine.hpp).

#include <functional>
#include <optional>
#include <string>

#include "cluster/supervisor/fabric_trail.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/quarantine.hpp"

namespace epic::cluster {

/// Single-threaded.
class QuarantineRunner {
 public:
  QuarantineRunner(Host& host, Fleet& fleet, FabricTrail& trail, std::function<void(std::string)> say)
      : host_(host), fleet_(fleet), trail_(trail), say_(std::move(say)) {}

  void on_crash(const NodeSlot& slot, const Crash& crash);
  /// To be called before the node gets a shard.
  void inform(kernel::NodeId node) { fleet_.send(node, list()); }
  /// False: it was not in quarantine.
  bool release(const std::string& entity);
  /// What a former leader has noted, at `then`. Before nodes are informed.
  void go_on(const std::vector<protocol::FabricNotes::Suspect>& noted, Quarantine::Time then) {
    quarantine_.go_on(noted, then);
  }
  [[nodiscard]] const Quarantine& quarantine() const { return quarantine_; }

 private:
  [[nodiscard]] protocol::Quarantined list() const;
  void inform_all();

  Host& host_;
  Fleet& fleet_;
  FabricTrail& trail_;
  std::function<void(std::string)> say_;
  Quarantine quarantine_;
};

}  // namespace epic::cluster
