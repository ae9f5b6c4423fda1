#pragma once
// A node's calls in flight, in the form of the control verbs `calls` and `inspect`.

#include <string_view>
#include <vector>

#include "kernel/kernel.hpp"
#include "protocol/control_entities.hpp"

namespace epic::node {

/// The calls of one entity, as callee or caller.
[[nodiscard]] std::vector<protocol::control::CallInFlight> describe_calls(const kernel::Kernel& kernel,
                                                                          std::string_view node,
                                                                          std::string_view entity);

/// Always those of the request's entity, then the oldest, as many as fit. The supervisor joins the nodes' answers.
[[nodiscard]] protocol::control::Calls::NodeAnswer describe_all_calls(const kernel::Kernel& kernel,
                                                                      std::string_view node,
                                                                      const protocol::control::Calls::Request& request);

}  // namespace epic::node
