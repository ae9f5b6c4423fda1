#pragma once
// RollingCheck: may nodes with the next version of a module work side by side with nodes that run the current one?
//
// They can call each other, because methods are matched by name. But they must agree on where an entity is: an entity
// is placed by the oldest name of its class, and a class whose oldest name has changed would have each of its entities
// twice.
//
// Not here: whether saved states can be read (that is checked when the module is built).

#include <boost/json/value.hpp>
#include <filesystem>
#include <string>

#include "cli/project/context.hpp"

namespace epic::cli {

/// Compares two modules as `epic-node --describe` prints them. Empty, or why their nodes must not run side by side.
[[nodiscard]] std::string find_disagreement(const boost::json::value& present, const boost::json::value& next);

/// The same for two files; a failure says what to do instead.
[[nodiscard]] Result<void> check_rolling(const Context& context, const std::filesystem::path& present,
                                         const std::filesystem::path& next);

}  // namespace epic::cli
