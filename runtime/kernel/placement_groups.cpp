#include "kernel/placement_groups.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epic::kernel {

namespace {

/// By current or former name; null: the module has no such class.
const reflect::EntityInfo* find_class(const ModuleInfo& module, std::string_view name) {
  for (const EntityInfoFn info_of : module.entities) {
    const reflect::EntityInfo& info = info_of();
    if (info.type_name == name || std::ranges::find(info.former_names, name) != info.former_names.end()) return &info;
  }
  return nullptr;
}

}  // namespace

std::string group_text(std::string_view type, std::string_view group) {
  return type == group ? std::string("on its own") : fmt::format("together({})", group);
}

std::expected<PlacementGroups, std::string> groups_of(const ModuleInfo& module) {
  PlacementGroups groups;
  for (const EntityInfoFn info_of : module.entities) {
    const reflect::EntityInfo& info = info_of();
    if (info.group.empty()) continue;
    const reflect::EntityInfo* const named = find_class(module, info.group);
    const std::string_view group = named == nullptr ? info.group : named->stored_name();
    if (named != nullptr && !named->group.empty() && find_class(module, named->group) != named)
      return std::unexpected(
          fmt::format("{0} is together({1}), but {1} itself is together({2}): write together({2}) for {0}, too",
                      info.type_name, info.group, named->group));
    if (group != info.stored_name()) groups.emplace(info.stored_name(), group);
  }
  return groups;
}

Placement placement_for(const ModuleInfo& module, std::uint32_t shard_count) {
  return {shard_count, groups_of(module).value_or(PlacementGroups())};
}

std::expected<void, std::string> check_groups(const ModuleInfo& module, const Placement& placement) {
  const auto groups = groups_of(module);
  if (!groups) return std::unexpected(groups.error());
  const Placement wanted(placement.shard_count(), *groups);
  for (const EntityInfoFn info_of : module.entities) {
    const reflect::EntityInfo& info = info_of();
    const std::string_view type = info.stored_name();
    if (wanted.group_of(type) == placement.group_of(type)) continue;
    return std::unexpected(fmt::format(
        "class {} is {} in the module, but {} in the store, so one entity would be in two places. Stop the fabric and "
        "run `epic reshard --groups`, or change the class back",
        info.type_name, group_text(type, wanted.group_of(type)), group_text(type, placement.group_of(type))));
  }
  return {};
}

}  // namespace epic::kernel
