#pragma once
// LogFiles: the log of a fabric that is down, put together from its files.

#include <boost/json/object.hpp>
#include <string_view>
#include <vector>

#include "cli/project/project.hpp"

namespace epic::cli {

/// The newest `count` lines of the last run, oldest first, as the control verb `logs` has them. `node` empty: of all.
/// A failure of the kind not_found when there are no files, or none of that node.
Result<std::vector<boost::json::object>> read_log_files(const ProjectPaths& paths, std::string_view node,
                                                        std::size_t count);

}  // namespace epic::cli
