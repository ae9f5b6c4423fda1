#pragma once
// What a node has kept of its entities' lives, as the control verb `events` answers it.

#include <string>

#include "kernel/kernel.hpp"
#include "protocol/control_entities.hpp"

namespace epic::node {

/// Oldest first. For those who follow, saves that may still grow are left to the next answer.
[[nodiscard]] protocol::control::Events::NodeAnswer describe_events(const kernel::Kernel& kernel,
                                                                    const std::string& node,
                                                                    const protocol::control::Events::Request& request);

}  // namespace epic::node
