#include "cluster/supervisor/takeover.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "cluster/supervisor/former_versions.hpp"

namespace epic::cluster {

using kernel::Incarnation;
using kernel::NodeId;

namespace {

/// Maps of a term: room for 4,294,967,296 of them, so that those of a later term are newer whatever was published.
constexpr int kVersionBits = 32;

}  // namespace

Takeover plan_takeover(std::span<const storage::Store::ShardRow> rows, std::span<const protocol::Hello> machines,
                       std::uint32_t shard_count, std::string new_fabric_id) {
  Takeover takeover{.fabric_id = std::move(new_fabric_id), .term = kernel::Term{1}};
  for (const auto& row : rows) takeover.term = std::max(takeover.term, row.term.next());
  takeover.first_version = kernel::MapVersion{takeover.term.value << kVersionBits};

  std::map<Incarnation, const protocol::LiveNode*> nodes;
  std::map<Incarnation, const protocol::Hello*> machine_of;
  for (const protocol::Hello& machine : machines) {
    if (!machine.fabric_id.empty()) {
      takeover.is_takeover = true;
      takeover.fabric_id = machine.fabric_id;
    }
    if (machine.notes.number > takeover.notes.number) takeover.notes = machine.notes;
    for (const protocol::LiveNode& live : machine.live) {
      nodes.emplace(live.incarnation, &live);
      machine_of.emplace(live.incarnation, &machine);
    }
  }
  if (!takeover.is_takeover) return takeover;

  takeover.generation = std::max(takeover.generation, Generation{takeover.notes.generation});
  takeover.module = takeover.notes.module;
  for (const auto& [incarnation, live] : nodes) {
    takeover.alive.push_back(incarnation);
    takeover.nodes.insert(incarnation);
    const Generation generation{live->module.generation};
    const bool says_nothing_new = generation == takeover.generation && is_unnamed(live->module);
    if (generation < takeover.generation || says_nothing_new) continue;
    takeover.generation = generation;
    takeover.module = live->module.digest;
    takeover.module_at = machine_of.at(incarnation)->machine;
  }
  takeover.has_older_nodes = std::ranges::any_of(
      nodes, [&](const auto& node) { return Generation{node.second->module.generation} < takeover.generation; });
  takeover.shards = {.owners = std::vector(shard_count, NodeId{0}),
                     .taken = std::vector(shard_count, kernel::Epoch{0}),
                     .moves = {},
                     .generation = takeover.generation};
  takeover.last_owners.resize(shard_count);
  for (const auto& row : rows) {
    const auto owner = nodes.find(row.incarnation);
    if (row.shard.value < shard_count) takeover.last_owners[row.shard.value] = row.node;
    if (row.shard.value >= shard_count || row.node == NodeId{0} || owner == nodes.end()) continue;
    takeover.shards.owners[row.shard.value] = row.node;
    const protocol::LiveNode& live = *owner->second;
    const auto taken = std::ranges::find(live.taken, row.shard, &protocol::TakenShard::shard);
    if (taken != live.taken.end()) takeover.shards.taken[row.shard.value] = taken->epoch;
    const auto asked = std::ranges::find(live.asked, row.shard, &protocol::LiveNode::Asked::shard);
    if (asked != live.asked.end()) takeover.shards.moves.push_back({row.shard, asked->map_version});
  }
  return takeover;
}

}  // namespace epic::cluster
