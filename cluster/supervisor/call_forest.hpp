#pragma once
// join_calls: merges what each node knows of the calls in flight into one forest: an async stack trace across nodes.
//
// A call between nodes is known to both under the same id: to the one that waits for the answer, and to the one that
// runs it. It becomes one row, with the state from the latter and the age from the former. Each call names its callers;
// that gives the tree. A caller that no node has listed (its node did not answer, or its list was too long) is included
// by its name in the chain.
//
// No I/O.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "protocol/control_entities.hpp"

namespace epic::cluster {

/// Trees without a matching call are left out.
struct CallFilter {
  std::string entity = {};       // "Player/Bob": callee of one of the calls
  std::string type_prefix = {};  // "Player/"
  std::int64_t age_ms_min = 0;
  /// Applied before an entity is compared, because nodes of two module versions may use different names. Empty:
  /// unchanged.
  std::function<std::string(const std::string& entity)> stored_name = {};
};

/// Rows come root first, each callee below its caller, the oldest trees first.
[[nodiscard]] std::vector<protocol::control::Calls::Row> join_calls(
    const std::vector<protocol::control::Calls::NodeAnswer>& answers, const CallFilter& filter);

}  // namespace epic::cluster
