#pragma once
// The events that a node has kept, in the form of the control verb `events`.

#include <string>

#include "kernel/kernel.hpp"
#include "protocol/control_entities.hpp"

namespace epic::node {

/// Oldest first. For followers, saves that may still grow are left for the next answer.
[[nodiscard]] protocol::control::Events::NodeAnswer describe_events(const kernel::Kernel& kernel,
                                                                    const std::string& node,
                                                                    const protocol::control::Events::Request& request);

}  // namespace epic::node
