#pragma once
// Health: what `epic doctor` finds out about a project's store and its fabric.

#include <vector>

#include "cli/project/checkup.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

/// Opens the store, compares its shard count with epic.toml, and reads every snapshot with its checksum.
std::vector<Finding> check_store(const Project& project);
/// Asks a running fabric for its version.
Finding check_fabric(const ProjectPaths& paths);

}  // namespace epic::cli
