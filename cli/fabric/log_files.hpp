#pragma once
// LogFiles: the log of a fabric that is down, merged from its files.

#include <string_view>
#include <vector>

#include "cli/project/project.hpp"
#include "protocol/control_fabric.hpp"

namespace epic::cli {

/// The newest `count` lines of the last run, oldest first; of all nodes if `node` is empty. A not_found failure if
/// there are no files, or none of that node.
Result<std::vector<protocol::control::Logs::Answer>> read_log_files(const ProjectPaths& paths, std::string_view node,
                                                                    std::size_t count);

}  // namespace epic::cli
