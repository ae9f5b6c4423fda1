#pragma once
// Unknown: what is answered when a type or an entity is not there, with the nearest that is.

#include <string>
#include <vector>

#include "cli/fabric/entity_name.hpp"
#include "cli/output/failure.hpp"

namespace epic::cli {

/// `known`: the types that there are.
Failure unknown_type(const std::string& type, const std::vector<std::string>& known);
/// The module has the class, the store no entity of it.
Failure unsaved_type(const std::string& type);
/// The type is known, the entity has never been saved (and is not in memory, if the fabric runs).
Failure unknown_entity(const EntityName& name);

/// The type is known, and the store has no such key.
Failure unsaved_entity(const EntityName& name);

}  // namespace epic::cli
