#pragma once
// Placement: which node should own which shard, as pure functions of the members and the present owners.
//
// Every member gets the same number of shards, give or take one. Shards stay where they are as far as that balance
// allows: the members that own most keep the larger shares, and only shards above a share, or without an owner, move.
// Equal arguments give equal results in every process.
//
// Not here: when to move and in which order (supervisor/shard_table.hpp).

#include <span>
#include <vector>

#include "kernel/ids.hpp"

namespace epic::cluster {

/// The owner that each shard should have. `members`: each once, in any order. `current`: the owner of each shard; node
/// 0, and nodes that are not members, count as no owner. Without members every shard gets node 0.
[[nodiscard]] std::vector<kernel::NodeId> place(std::span<const kernel::NodeId> members,
                                                std::span<const kernel::NodeId> current);

/// Gives shards without an owner among `stayers` to `takers`, the least loaded first, and moves no others: what is
/// needed at once after a crash. Without takers such shards get node 0.
[[nodiscard]] std::vector<kernel::NodeId> place_ownerless(std::span<const kernel::NodeId> takers,
                                                          std::span<const kernel::NodeId> stayers,
                                                          std::span<const kernel::NodeId> current);

}  // namespace epic::cluster
