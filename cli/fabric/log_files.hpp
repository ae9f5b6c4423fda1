#pragma once
// LogFiles: the log of a fabric that is down, put together from its files.

#include <string_view>
#include <vector>

#include "cli/project/project.hpp"
#include "protocol/control_fabric.hpp"

namespace epic::cli {

/// The newest `count` lines of the last run, oldest first. `node` empty: of all.
/// A failure of the kind not_found when there are no files, or none of that node.
Result<std::vector<protocol::control::Logs::Answer>> read_log_files(const ProjectPaths& paths, std::string_view node,
                                                                    std::size_t count);

}  // namespace epic::cli
