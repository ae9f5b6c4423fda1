#pragma once
// A node's calls in flight, as the control verbs `calls` and `inspect` answer them.

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string_view>

#include "kernel/kernel.hpp"

namespace epic::node {

/// [{"id", "node", "entity", "method", "caller", "state", "age_ms"}] of one entity, as callee or caller.
[[nodiscard]] boost::json::array describe_calls(const kernel::Kernel& kernel, std::string_view node,
                                                std::string_view entity);

/// {"node", "calls": […], "left_off"}: those of `body`'s "entity" in any case, then the oldest. Each has "sent_to" and
/// "waiting" ([{"id", "call"}], the nearest last) beside the former fields, from which the supervisor joins the nodes'
/// answers.
[[nodiscard]] boost::json::object describe_all_calls(const kernel::Kernel& kernel, std::string_view node,
                                                     const boost::json::object& body);

}  // namespace epic::node
