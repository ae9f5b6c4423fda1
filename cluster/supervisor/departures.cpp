#include "cluster/supervisor/departures.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epic::cluster {

using kernel::NodeId;

std::expected<void, SupervisorError> Departures::drain(NodeId node) {
  const auto stays = [node](const NodeSlot& slot) { return slot.is_wanted && slot.id != node; };
  if (std::ranges::none_of(fleet_.slots(), stays))
    return std::unexpected(SupervisorError{
        fmt::format("node-{} is the only node, and a fabric needs one.", node), "Stop it with 'epic stop'.", {}});
  leave(node, Afterwards::listed, host_.now());
  return {};
}

void Departures::scale(std::uint16_t node_count) {
  for (std::uint16_t number = 1; number <= node_count; ++number) {
    shards_.stop_draining(NodeId{number});
    fleet_.want(NodeId{number});
  }
  for (auto number = static_cast<std::uint16_t>(fleet_.slots().size()); number > node_count; --number)
    leave(NodeId{number}, Afterwards::forgotten, host_.now());
}

void Departures::leave(NodeId node, Afterwards afterwards, TimePoint announced) {
  if (fleet_.find(node)->is_wanted) {
    const std::size_t count = shards_.count_owned(node);
    say_(fmt::format("Draining node-{}: its {} shard{} to the other nodes, then it stops.", node, count,
                     count == 1 ? " goes" : "s go"));
    shards_.drain(node, announced);
    announced_[node] = announced;
  }
  fleet_.unwant(node, afterwards);
}

void Departures::advance() {
  for (const NodeSlot& slot : fleet_.slots()) {
    if (slot.is_wanted || slot.state != NodeState::ready || shards_.count_owned(slot.id) > 0) continue;
    const auto left = announced_[slot.id] + options_.fabric.grace - host_.now();
    fleet_.stop_unwanted(slot.id, std::max<std::chrono::nanoseconds>(left, kStopGraceMin));
  }
}

}  // namespace epic::cluster
