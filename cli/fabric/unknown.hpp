#pragma once
// Unknown: the failures for a type or entity that does not exist, with the nearest one that does.

#include <string>
#include <vector>

#include "cli/fabric/entity_name.hpp"
#include "cli/output/failure.hpp"
#include "cli/project/catalog.hpp"
#include "storage/store.hpp"

namespace epic::cli {

/// `known`: the existing types.
Failure unknown_type(const std::string& type, const std::vector<std::string>& known);
/// That failure, if neither the module nor the store's snapshots have the type.
Result<void> check_known_type(storage::Store& store, const Catalog& names, const std::string& type);
/// The module has the class, but the store has no entity of it.
Failure unsaved_type(const std::string& type);
/// The type is known, but the entity has never been saved (and is not in memory, if the fabric is running).
Failure unknown_entity(const EntityName& name);

/// The type is known, but the store has no such key.
Failure unsaved_entity(const EntityName& name);

}  // namespace epic::cli
