#pragma once
// Health: what `epic doctor` checks about a project's store and its fabric.

#include <string>
#include <vector>

#include "cli/project/checkup.hpp"
#include "cli/project/project.hpp"
#include "protocol/node_counters.hpp"

namespace epic::cli {

/// Opens the store, compares its shard count with epic.toml, checks that its files are writable, looks at its log, and
/// reads snapshots with their checksums for two seconds.
std::vector<Finding> check_store(const Project& project);
/// Whether what `[fabric] coordination` names answers; nothing if the fabric has one supervisor.
std::vector<Finding> check_coordination_service(const Project& project);
/// Asks a running fabric for its version, and for nodes that cannot save or have refused connections.
std::vector<Finding> check_fabric(const ProjectPaths& paths);

/// "3 wrong secret, 1 not tls"; empty: none.
std::string describe_refused(const protocol::control::Refused& refused);

}  // namespace epic::cli
