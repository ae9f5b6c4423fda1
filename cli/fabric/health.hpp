#pragma once
// Health: what `epic doctor` finds out about a project's store and its fabric.

#include <vector>

#include "cli/project/checkup.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

/// Opens the store, compares its shard count with epic.toml, asks whether its files can be written, looks at its log,
/// and reads snapshots with their checksums for two seconds.
std::vector<Finding> check_store(const Project& project);
/// Asks a running fabric for its version, and which nodes cannot save.
std::vector<Finding> check_fabric(const ProjectPaths& paths);

}  // namespace epic::cli
