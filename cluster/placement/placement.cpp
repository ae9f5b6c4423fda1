#include "cluster/placement/placement.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

namespace epic::cluster {

namespace {

using kernel::NodeId;

/// A number for each node, by its id.
using Counts = std::vector<std::uint32_t>;
constexpr std::size_t kIdsMax = std::size_t{std::numeric_limits<decltype(NodeId::value)>::max()} + 1;

/// How many shards each node owns now, members and others.
Counts count_owned(std::span<const NodeId> current) {
  Counts owned(kIdsMax);
  for (const NodeId owner : current) ++owned[owner.value];
  return owned;
}

/// How many shards each member is to own. The remainder of the division goes, one shard each, to those that own most.
Counts count_shares(std::span<const NodeId> members, std::span<const NodeId> current) {
  const Counts owned = count_owned(current);
  std::vector<NodeId> by_owned(members.begin(), members.end());
  const auto remainder = static_cast<std::ptrdiff_t>(current.size() % members.size());
  std::ranges::nth_element(by_owned, by_owned.begin() + remainder, [&](NodeId a, NodeId b) {
    return std::pair(owned[b.value], a) < std::pair(owned[a.value], b);
  });
  Counts shares(kIdsMax);
  for (std::size_t i = 0; i < by_owned.size(); ++i)
    shares[by_owned[i].value] =
        static_cast<std::uint32_t>(current.size() / members.size()) + (std::cmp_less(i, remainder) ? 1 : 0);
  return shares;
}

}  // namespace

std::vector<NodeId> place(std::span<const NodeId> members, std::span<const NodeId> current) {
  std::vector<NodeId> target(current.size(), NodeId{0});
  if (members.empty()) return target;
  Counts room = count_shares(members, current);
  for (std::size_t shard = 0; shard < current.size(); ++shard) {
    if (room[current[shard].value] == 0) continue;
    target[shard] = current[shard];
    --room[current[shard].value];
  }
  std::vector<NodeId> by_id(members.begin(), members.end());
  std::ranges::sort(by_id);
  std::size_t next = 0;
  const auto go_on = [&] { next = (next + 1) % by_id.size(); };
  for (NodeId& owner : target) {
    if (owner != NodeId{0}) continue;
    // Round robin, so that a new fabric spreads neighbouring shards over different nodes.
    while (room[by_id[next].value] == 0) go_on();
    owner = by_id[next];
    --room[owner.value];
    go_on();
  }
  return target;
}

std::vector<NodeId> place_ownerless(std::span<const NodeId> takers, std::span<const NodeId> stayers,
                                    std::span<const NodeId> current) {
  std::vector<bool> stays(kIdsMax);
  for (const NodeId node : stayers) stays[node.value] = true;
  std::vector<NodeId> target(current.begin(), current.end());
  if (std::ranges::all_of(current, [&](NodeId owner) { return stays[owner.value]; })) return target;

  const Counts owned = count_owned(current);
  using Load = std::pair<std::uint32_t, NodeId>;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (const NodeId node : takers) least.emplace(owned[node.value], node);
  for (NodeId& owner : target) {
    if (stays[owner.value]) continue;
    owner = NodeId{0};
    if (least.empty()) continue;
    auto [load, taker] = least.top();
    least.pop();
    owner = taker;
    least.emplace(load + 1, taker);
  }
  return target;
}

}  // namespace epic::cluster
