// The nodes of the machines that come, go, and were there before this leader.

#include <fmt/format.h>

#include "cluster/supervisor/fleet.hpp"
#include "kernel/assert.hpp"

namespace epic::cluster {

using kernel::NodeId;

void Fleet::place_on(NodeSlot& slot, const protocol::Hello& machine) {
  slot.machine = machine.machine;
  slot.socket = std::filesystem::path(machine.run_directory) / paths_.node_socket(slot.id).filename();
  slot.is_wanted = slot.is_listed = true;
  slot.leaving_since.reset();
  slot.last_exit.reset();
  slot.crashed_in.clear();
  slot.restarts = 0;
  slot.failed_starts = 0;
}

void Fleet::start_on(const protocol::Hello& machine, std::size_t count) {
  std::vector<NodeId> started;
  for (NodeSlot& slot : slots_)
    if (started.size() < count && slot.is_free()) {
      place_on(slot, machine);
      started.push_back(slot.id);
    }
  while (started.size() < count) {
    place_on(make_slot(NodeId{static_cast<std::uint16_t>(slots_.size() + 1)}), machine);
    started.push_back(slots_.back().id);
  }
  for (const NodeId node : started) want(node);
}

NodeSlot& Fleet::claim_slot(NodeId node, const protocol::Hello& machine) {
  while (slots_.size() < node.value) {
    NodeSlot& gap = make_slot(NodeId{static_cast<std::uint16_t>(slots_.size() + 1)});
    gap.is_wanted = gap.is_listed = false;
  }
  EPIC_ASSERT(!at(node).is_occupied(), "{} is there twice", at(node).name);
  place_on(at(node), machine);
  return at(node);
}

void Fleet::list_drained(const protocol::Hello& machine, NodeId node) { claim_slot(node, machine).is_wanted = false; }

void Fleet::adopt(const protocol::Hello& machine, const protocol::LiveNode& live) {
  NodeSlot& slot = claim_slot(live.node, machine);
  slot.incarnation = live.incarnation;
  slot.module = {.generation = Generation{live.module.generation},
                 .path = module_.path,
                 .built_at = live.module.built_at,
                 .digest = live.module.digest};
  slot.started_at = host_.now() - live.age;
  slot.heard_at = host_.now();
  slot.state = NodeState::starting;
  slot.is_adopted = true;
  ++slot.spawned;
  slot.process = machines_->adopt(machine.machine, live, listen(slot));
  on_ready(slot, live.ready);
}

void Fleet::forget_machine(const std::string& machine) {
  for (NodeSlot& slot : slots_)
    if (slot.machine == machine) unwant(slot.id, Afterwards::forgotten);
}

std::vector<NodeId> Fleet::list_on(const std::string& machine) const {
  std::vector<NodeId> nodes;
  for (const NodeSlot& slot : slots_)
    if (slot.machine == machine && (slot.is_wanted || slot.is_occupied())) nodes.push_back(slot.id);
  return nodes;
}

}  // namespace epic::cluster
