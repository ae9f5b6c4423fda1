#pragma once
// Health: what `epic doctor` checks about a project's store and its fabric.

#include <vector>

#include "cli/project/checkup.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

/// Opens the store, compares its shard count with epic.toml, checks that its files are writable, looks at its log, and
/// reads snapshots with their checksums for two seconds.
std::vector<Finding> check_store(const Project& project);
/// Asks a running fabric for its version, and for nodes that cannot save.
std::vector<Finding> check_fabric(const ProjectPaths& paths);

}  // namespace epic::cli
