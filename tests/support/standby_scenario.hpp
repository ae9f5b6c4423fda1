#pragma once
// A standby that is not synchronous takes over from a real server, with or without what was confirmed last.
//
// Writers of one machine save numbers in their entities. The standby stops following at some moment, and writers go on
// for a while; some of them die. When it has taken over, all that live and some new ones go on.

#include <cstdint>
#include <string>

namespace epic::test {

/// Chance comes from `seed` alone. Returns what is wrong: a process goes on though something that was confirmed is
/// missing, or none does though nothing is. Empty: nothing. Throws if a server does not do what it is told.
[[nodiscard]] std::string run_standby_scenario(std::uint64_t seed);

}  // namespace epic::test
