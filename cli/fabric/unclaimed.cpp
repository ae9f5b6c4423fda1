#include "cli/fabric/unclaimed.hpp"

#include "cli/fabric/import_target.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"

namespace epic::cli {

Result<std::set<std::string>> find_unclaimed(Context& context, const Project& project) {
  auto fabric = LiveFabric::find(project.paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  if (*fabric)
    return fail({.what = "types that no class claims have no owner in a running fabric",
                 .help = {"stop it with 'epic stop', then prune"}});
  auto store = StoredFabric::open(project.paths);
  if (!store) return std::unexpected(std::move(store.error()));
  const auto types = store->types();
  if (!types) return std::unexpected(types.error());
  const auto module = ImportTarget::open(context, project);  // which knows the names of the module's classes
  if (!module) return std::unexpected(module.error());
  std::set<std::string> unclaimed;
  for (const std::string& type : *types)
    if (!(*module)->has_type(type)) unclaimed.insert(type);
  return unclaimed;
}

}  // namespace epic::cli
