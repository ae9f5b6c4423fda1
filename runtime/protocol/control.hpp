#pragma once
// The table of control verbs: what programs outside a fabric request from its supervisor over .epic/control.sock.
//
// A verb is a struct with its name, its request, its answer, who answers, whether in one part or many, and whether it
// may be repeated. Request and answer are described structs, encoded by the JSON codec. An unknown field is ignored and
// a missing one has its default, so neighbouring versions understand each other.
//
// A failure is {"message", "detail"}; detail is null or an object whose `error` is a name of
// epic::to_string(ErrorCode).
//
// To add a verb: its struct, its name in Verbs, and a handler in cluster/supervisor/control_verbs.cpp (the compiler
// requires it).

#include <array>
#include <tuple>

#include "protocol/control_entities.hpp"
#include "protocol/control_fabric.hpp"
#include "protocol/control_types.hpp"

namespace epic::protocol::control {

using Verbs = std::tuple<Ping, Ps, Nodes, Logs, Stop, Kill, Pause, Resume, Drain, Scale, Restart, Inspect, Call, Ls,
                         Export, Import, Types, Events, Calls, Outbox, ReleaseEntity>;

/// The properties of all verbs.
inline constexpr auto kVerbs = []<class... Verb>(std::tuple<Verb...>*) {
  return std::array<VerbInfo, sizeof...(Verb)>{Verb::kVerb...};
}(static_cast<Verbs*>(nullptr));

}  // namespace epic::protocol::control
