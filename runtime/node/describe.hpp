#pragma once
// Entity classes as JSON, for `epic-node --describe` and the control request `types`.

#include <boost/json/object.hpp>

#include "epic/entity_info.hpp"
#include "epic/module.hpp"

namespace epic::node {

/// {"type", "formerly", "mode", "interval_ms", "exclusive", "methods", "state"}
[[nodiscard]] boost::json::object describe_type(const reflect::EntityInfo& info);

/// {"abi", "types"}, where each type has its "schema" and its hash, "schema_id", too.
[[nodiscard]] boost::json::object describe_module(const ModuleInfo& module);

}  // namespace epic::node
