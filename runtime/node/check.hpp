#pragma once
// Check: what the classes of a module would make of everything in a store, before a node tries.
//
// One query counts the snapshots by type and schema; codec::examine() determines how each schema reads. Only if that
// depends on the values are they decoded, each into an entity made for it, as in an activation but without hooks.
// Messages are counted whose method, by its name or a former one, no class has.

#include <expected>
#include <string>

#include "epic/module.hpp"
#include "protocol/control_types.hpp"
#include "storage/store.hpp"

namespace epic::node {

/// The error is a sentence: the store cannot be read, or a node would refuse the module.
[[nodiscard]] std::expected<protocol::control::StoreCheck::Answer, std::string> check_store(const ModuleInfo& module,
                                                                                            storage::Store& store);

}  // namespace epic::node
