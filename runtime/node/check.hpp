#pragma once
// Check: what the classes of a module would make of everything that a store holds, before a node tries.
//
// One query counts the snapshots by type and schema; how each schema reads is told by codec::examine(). Only where that
// depends on the values are they decoded, each into an entity made for it, just as on activation but for the hooks.
//
//   {"types": [{"type", "stored_as", "entities", "unreadable",
//               "schemas": [{"schema", "entities", "verdict": "reads|converts|partly|fails|unused|damaged",
//                            "unreadable",
//                            "changes": [{"what", "effect", "field", "was", "is", "text"}],
//                            "reasons": [{"field", "message", "entities", "example"}]}]}],
//    "orphans": [{"type", "entities", "class", "stored_as"}],    a class of the module that is stored by another name
//    "unclaimed": [{"type", "entities"}], "damaged": N}
//
// "unused": the class has no state, or is transient. "reasons" say why snapshots are unreadable, and how many for each;
// "example" is one of them, or null where that was told without decoding any. The count "damaged" is of snapshots that
// no module could read: those whose schema is missing or makes no sense, which have that verdict too and are not
// "unreadable", and those met damaged among what had to be decoded.

#include <boost/json/object.hpp>
#include <expected>
#include <string>

#include "epic/module.hpp"
#include "storage/store.hpp"

namespace epic::node {

/// The error is a sentence: the store cannot be read, or a node would refuse the module.
[[nodiscard]] std::expected<boost::json::object, std::string> check_store(const ModuleInfo& module,
                                                                          storage::Store& store);

}  // namespace epic::node
