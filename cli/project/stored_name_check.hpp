#pragma once
// Stored name check: do two versions of a module place and store the same entities under the same names?
//
// Nodes of both versions run side by side during a rolling restart. An entity is placed, and its row is found, by the
// stored name of its class (EntityInfo::stored_name). If the versions resolve one name to different stored names, each
// would make its own entity: that must not happen. Used by `epic build` against the last build, and when a running
// fabric changes its module.

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace epic::cli {

struct StoredNameDisagreement {
  std::string type;  // a name known to both
  std::string was;   // the stored name in the previous module
  std::string is;    // in the new one
};

/// Compares two descriptions, as printed by `epic-node --describe` and left behind by builds
/// (ProjectPaths::module_types). Empty: their names allow them to run side by side.
[[nodiscard]] std::vector<StoredNameDisagreement> find_stored_name_disagreements(const boost::json::value& former,
                                                                                 const boost::json::value& present);

/// "Player was stored as Hero but would now be stored as Player".
[[nodiscard]] std::string describe(const StoredNameDisagreement& disagreement);

}  // namespace epic::cli
