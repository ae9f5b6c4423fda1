#pragma once
// Former versions of epic that can be parts of a fabric with this one (protocol::kSpoken.oldest), and what they do not
// know. A version adds to that here; the rest of the supervisor asks.
//
// Number 0, before versions had numbers:
//   - All machines are on one host, and their addresses are paths. They do not answer ReachWanted, and need not.
//   - A leader ends the link when it gets MachineGaveUp: without it a stream goes on until the machine has left.
//   - A leader does not name modules by digests. It says where its copy is, which is a file of this host.
//   - A leader's `stop` is of the whole fabric, whatever is asked (cli/commands/stop.cpp).
//   - A leader refuses machines and nodes whose version has another text than its own.

#include <string>
#include <variant>

#include "protocol/machines.hpp"

namespace epic::cluster {

[[nodiscard]] inline bool is_known_to(const protocol::Spoken& leader, const protocol::FromMachine& message) {
  return leader.number > 0 || !std::holds_alternative<protocol::MachineGaveUp>(message);
}

/// Whether the machine there is asked if it can be reached: not if its address is a path.
[[nodiscard]] inline bool answers_reach_wanted(const std::string& address) { return !address.starts_with('/'); }

/// Only the path says which module it is.
[[nodiscard]] inline bool is_unnamed(const protocol::ModuleOrigin& module) { return module.digest.empty(); }

}  // namespace epic::cluster
