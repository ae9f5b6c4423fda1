#pragma once
// RollingCheck: may nodes that run the next version of a module work beside nodes that run the present one?
//
// They may call each other, as methods are matched by name. But they must agree on where an entity is: an entity lies
// where the oldest name of its class puts it, and a class whose oldest name has changed would have each of its entities
// twice.
//
// Not here: what saved states may become (that is checked when the module is built).

#include <boost/json/value.hpp>
#include <filesystem>
#include <string>

#include "cli/project/context.hpp"

namespace epic::cli {

/// Of two modules as `epic-node --describe` prints them. Empty, or why their nodes must not run side by side: "Player
/// was called Hero at first, and …".
[[nodiscard]] std::string find_disagreement(const boost::json::value& present, const boost::json::value& next);

/// The same of two files; a failure with the way out.
[[nodiscard]] Result<void> check_rolling(const Context& context, const std::filesystem::path& present,
                                         const std::filesystem::path& next);

}  // namespace epic::cli
