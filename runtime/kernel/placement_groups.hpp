#pragma once
// The groups of a module's classes (together(…) in EPIC_ENTITY), and whether they are those of a store.
//
// A group is named after a class, which need not exist. If it does, the group has that class's stored name, so its own
// keys are in the group automatically, and stay there when it is renamed.
//
// Invariant: a kernel's placement is its store's, and its module agrees with it about every class that it has. If one
//            node placed an entity by another group than the rest, it would have two activations in two shards.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "epic/module.hpp"
#include "kernel/placement.hpp"

namespace epic::kernel {

/// The error is a sentence for the module's author.
[[nodiscard]] std::expected<PlacementGroups, std::string> groups_of(const ModuleInfo& module);

/// The placement for a new store; ungrouped if the module's together(…) are inconsistent.
[[nodiscard]] Placement placement_for(const ModuleInfo& module, std::uint32_t shard_count);

/// Whether the module's classes are in the groups that `placement` has for them; it may have other classes, too. The
/// error is a sentence that names the first class that is not, and what to do.
[[nodiscard]] std::expected<void, std::string> check_groups(const ModuleInfo& module, const Placement& placement);

/// "on its own" or "together(Room)".
[[nodiscard]] std::string group_text(std::string_view type, std::string_view group);

}  // namespace epic::kernel
