#pragma once
// What a node has kept of its entities' lives, as the control verb `events` answers it.

#include <boost/json/object.hpp>
#include <string_view>

#include "kernel/kernel.hpp"

namespace epic::node {

/// {"node", "cursor", "events": […]}, oldest first; each event has "wall_ns", to be sorted by. Of `body` it looks at
/// "entity", "type", "limit", and for those who follow at "follow" and "after": {"node-1": cursor}. Saves that may
/// still grow are left to the next answer then.
[[nodiscard]] boost::json::object describe_events(const kernel::Kernel& kernel, std::string_view node,
                                                  const boost::json::object& body);

}  // namespace epic::node
