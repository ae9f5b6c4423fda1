#pragma once
// Check: what the classes of a module would make of everything in a store, before a node tries.
//
// One query counts the snapshots by type and schema; codec::examine() determines how each schema reads. Only if that
// depends on the values are they decoded, each into an entity made for it, as in an activation but without hooks.
//
//   {"types": [{"type", "stored_as", "entities", "unreadable",
//               "schemas": [{"schema", "entities", "verdict": "reads|converts|partly|fails|unused|damaged",
//                            "unreadable",
//                            "changes": [{"what", "effect", "field", "was", "is", "text"}],
//                            "reasons": [{"field", "message", "entities", "example"}]}]}],
//    "orphans": [{"type", "entities", "class", "stored_as"}],    a class of the module that is stored under another
//    name "unclaimed": [{"type", "entities"}], "damaged": N}
//
// "unused": the class has no state, or is transient. "reasons" say why snapshots are unreadable, and how many for each;
// "example" is one of them, or null if none had to be decoded. "damaged" counts snapshots that no module could read:
// those whose schema is missing or malformed, which have that verdict too and are not "unreadable", and those found
// damaged among the decoded ones.

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
