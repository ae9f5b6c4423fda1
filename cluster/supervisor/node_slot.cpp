#include "cluster/supervisor/node_slot.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace epic::cluster {

using kernel::NodeId;

namespace {

constexpr std::array<std::string_view, 5> kStateNames = {"stopped", "starting", "ready", "draining", "backoff"};

}  // namespace

std::string_view to_string(NodeState state) { return kStateNames[static_cast<std::size_t>(state)]; }

std::string_view describe_state(const NodeSlot& slot) {
  if (slot.is_paused) return "paused";
  if (slot.is_silent && slot.state == NodeState::ready) return "silent";
  if (slot.state == NodeState::ready && !slot.is_wanted) return to_string(NodeState::draining);
  return to_string(slot.state);
}

NodeSlot::NodeSlot(NodeId number, std::filesystem::path socket_path, RestartPolicy restart, Host& host)
    : id(number), name(fmt::format("node-{}", number)), socket(std::move(socket_path)), backoff(restart), timer(host) {}

}  // namespace epic::cluster
