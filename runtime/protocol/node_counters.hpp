#pragma once
// NodeCounters: what a node counts, for `epic ps`. To add a counter: a field here, its value in io/engine.cpp, and, if
// it is to be in the table, a column in cli/commands/ps.cpp. Heartbeats carry the struct, and `ps` answers with it.

#include <boost/describe/class.hpp>
#include <cstdint>

namespace epic::protocol::control {

/// Connections from or to other processes that were refused, since the start of a node or a supervisor: the reasons
/// of transport/refusals.hpp.
struct Refused {
  std::uint64_t wrong_secret = 0;
  std::uint64_t expired_certificate = 0;
  std::uint64_t wrong_certificate = 0;
  std::uint64_t wrong_fabric = 0;
  std::uint64_t not_tls = 0;
  std::uint64_t damaged = 0;
  std::uint64_t cut_off = 0;
  std::uint64_t slow = 0;
  std::uint64_t too_many = 0;
  bool operator==(const Refused&) const = default;
};
BOOST_DESCRIBE_STRUCT(Refused, (),
                      (wrong_secret, expired_certificate, wrong_certificate, wrong_fabric, not_tls, damaged, cut_off,
                       slow, too_many))

struct NodeCounters {
  std::uint64_t entities = 0;  // activations in memory
  std::uint64_t calls = 0;     // in flight
  std::uint64_t resident_bytes = 0;
  std::uint64_t entity_bytes = 0;  // memory of the activations
  std::uint64_t commits = 0;       // transactions in the store, since the node's start
  std::uint64_t rows = 0;          // snapshots in them
  std::uint64_t blocking = 0;      // functions of epic::blocking that run or wait for a thread
  Refused refused = {};
  bool operator==(const NodeCounters&) const = default;
};
BOOST_DESCRIBE_STRUCT(NodeCounters, (),
                      (entities, calls, resident_bytes, entity_bytes, commits, rows, blocking, refused))

}  // namespace epic::protocol::control
