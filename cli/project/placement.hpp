#pragma once
// Placement: do two versions of a module place and store the same entities by the same names?
//
// Nodes of both run side by side during a rolling restart. An entity is placed, and its row is found, by the stored
// name of its class (EntityInfo::stored_name). Where the two versions resolve one name to different stored names, each
// would make an entity of its own: that must not happen. Used by `epic build`, against the last build, and for whoever
// swaps modules under a running fabric.

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace epic::cli {

struct PlacementDisagreement {
  std::string type;  // a name that both know
  std::string was;   // the stored name by the former module
  std::string is;    // by the new one
};

/// Of two descriptions, as `epic-node --describe` prints them and builds leave them behind
/// (ProjectPaths::module_types). Empty: both may run side by side as far as names go.
[[nodiscard]] std::vector<PlacementDisagreement> find_placement_disagreements(const boost::json::value& former,
                                                                              const boost::json::value& present);

/// "Player was stored as Hero and would now be stored as Player".
[[nodiscard]] std::string describe(const PlacementDisagreement& disagreement);

}  // namespace epic::cli
