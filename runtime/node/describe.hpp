#pragma once
// Entity classes, for `epic-node --describe` and the control verb `types`.

#include "epic/entity_info.hpp"
#include "epic/module.hpp"
#include "kernel/placement.hpp"
#include "protocol/control_types.hpp"

namespace epic::node {

[[nodiscard]] protocol::control::Types::Type describe_type(const reflect::EntityInfo& info,
                                                           const kernel::Placement& placement);
[[nodiscard]] protocol::control::Types::Answer describe_module(const ModuleInfo& module);

}  // namespace epic::node
