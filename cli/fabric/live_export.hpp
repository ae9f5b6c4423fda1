#pragma once
// Live export: the state held by the nodes of a running fabric, in memory and stored, as rows of an export.
//
// Each node answers with a cut of itself, between two of its turns. There is no common moment across nodes: a call from
// one node to another may be in the cut of one and not of the other.
//
// Invariant: it succeeds only if every shard was exported exactly once.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/fabric/entity_name.hpp"
#include "cli/fabric/live_fabric.hpp"

namespace epic::cli {

struct NodeCut {
  std::string node;
  std::uint64_t commit;
  std::uint64_t moments = 1;  // it had to move on to later ones, this often less one
};

/// Rows by node; those of one node by type, then key.
Result<std::vector<NodeCut>> export_live(LiveFabric& fabric, const EntityName& only,
                                         const std::function<void(std::string_view row)>& on_row,
                                         const std::function<void(const Damage&)>& on_damage);

inline constexpr std::string_view kLiveCutWords =
    "each node between two of its turns; calls between nodes may be half done; unsaved changes included";
inline constexpr std::string_view kStoredCutWords = "the store as of one moment";

/// "commit 12 of node-1, 9 of node-2".
std::string cut_text(const std::vector<NodeCut>& cuts);

}  // namespace epic::cli
