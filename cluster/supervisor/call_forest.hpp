#pragma once
// join_calls: what each node knows of calls in flight, as one forest: an async stack trace across nodes.
//
// A call between nodes is known to two of them, by the same id: to the one that waits for the answer, and to the one
// that runs it. It becomes one row, with the state of the latter and the age of the former. Each call names those who
// wait for it; that is the tree. A caller that no node has listed (it did not answer, or its list was too long) is
// there all the same, by its name in the chain.
//
// No I/O.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "protocol/control_entities.hpp"

namespace epic::cluster {

/// Trees in which no call fits are left out.
struct CallFilter {
  std::string entity = {};       // "Player/Bob": callee of one of the calls
  std::string type_prefix = {};  // "Player/"
  std::int64_t age_ms_min = 0;
  /// Before an entity is compared: nodes of two module versions may call one differently. Empty: as it is.
  std::function<std::string(const std::string& entity)> stored_name = {};
};

/// Rows come root first, each callee below its caller, the oldest trees first.
[[nodiscard]] std::vector<protocol::control::Calls::Row> join_calls(
    const std::vector<protocol::control::Calls::NodeAnswer>& answers, const CallFilter& filter);

}  // namespace epic::cluster
