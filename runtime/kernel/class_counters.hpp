#pragma once
// ClassCounters: what a node counts for each entity class, for `epic ps --types`. To add a counter: a field here, the
// line that counts it (TypeEntry::counters), and a column in cli/commands/ps.cpp. Nodes answer `types` with the struct,
// and the supervisor adds up those of all nodes, field by field.

#include <boost/describe/class.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <cstdint>

namespace epic::kernel {

struct ClassCounters {
  std::uint64_t entities = 0;   // activations in memory
  std::uint64_t activated = 0;  // activations since the node's start
  bool operator==(const ClassCounters&) const = default;
};
BOOST_DESCRIBE_STRUCT(ClassCounters, (), (entities, activated))

inline ClassCounters& operator+=(ClassCounters& sum, const ClassCounters& more) {
  boost::mp11::mp_for_each<boost::describe::describe_members<ClassCounters, boost::describe::mod_public>>(
      [&](const auto& member) { sum.*member.pointer += more.*member.pointer; });
  return sum;
}

}  // namespace epic::kernel
