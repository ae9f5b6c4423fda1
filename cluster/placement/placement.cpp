#include "cluster/placement/placement.hpp"

#include <algorithm>
#include <cstddef>
#include <map>

namespace epic::cluster {

namespace {

using kernel::NodeId;

/// Members by id, each with the shards it owns now.
std::map<NodeId, std::size_t> count_owned(std::span<const NodeId> members, std::span<const NodeId> current) {
  std::map<NodeId, std::size_t> owned;
  for (const NodeId member : members) owned[member] = 0;
  for (const NodeId owner : current)
    if (const auto member = owned.find(owner); member != owned.end()) ++member->second;
  return owned;
}

}  // namespace

std::vector<NodeId> place(std::span<const NodeId> members, std::span<const NodeId> current) {
  const auto owned = count_owned(members, current);
  std::vector<NodeId> target(current.size(), NodeId{0});
  if (owned.empty()) return target;

  // The remainder of the division goes, one shard each, to the members that own most.
  std::vector<NodeId> by_owned;
  for (const auto& [member, count] : owned) by_owned.push_back(member);
  std::ranges::sort(by_owned,
                    [&](NodeId a, NodeId b) { return std::pair(owned.at(b), a) < std::pair(owned.at(a), b); });
  std::map<NodeId, std::size_t> room;
  for (std::size_t i = 0; i < by_owned.size(); ++i)
    room[by_owned[i]] = current.size() / owned.size() + (i < current.size() % owned.size() ? 1 : 0);

  for (std::size_t shard = 0; shard < current.size(); ++shard) {
    const auto owner = room.find(current[shard]);
    if (owner == room.end() || owner->second == 0) continue;
    target[shard] = current[shard];
    --owner->second;
  }
  auto next = room.begin();
  for (NodeId& owner : target) {
    if (owner != NodeId{0}) continue;
    // Round robin, so that a new fabric spreads neighbouring shards over different nodes.
    while (next->second == 0)
      if (++next == room.end()) next = room.begin();
    owner = next->first;
    --next->second;
    if (++next == room.end()) next = room.begin();
  }
  return target;
}

std::vector<NodeId> place_ownerless(std::span<const NodeId> takers, std::span<const NodeId> stayers,
                                    std::span<const NodeId> current) {
  auto owned = count_owned(takers, current);
  std::vector<NodeId> target(current.begin(), current.end());
  for (NodeId& owner : target) {
    if (std::ranges::find(stayers, owner) != stayers.end()) continue;
    const auto least = std::ranges::min_element(owned, {}, &std::pair<const NodeId, std::size_t>::second);
    owner = least == owned.end() ? NodeId{0} : least->first;
    if (least != owned.end()) ++least->second;
  }
  return target;
}

}  // namespace epic::cluster
