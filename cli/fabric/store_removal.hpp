#pragma once
// Removes saved states while no fabric is running: under the project's lock, and under new epochs of all shards.

#include <memory>

#include "cli/fabric/import_target.hpp"

namespace epic::cli {

/// Accepts lines that remove, and no others.
Result<std::unique_ptr<ImportTarget>> open_store_removal(const ProjectPaths& paths);

}  // namespace epic::cli
