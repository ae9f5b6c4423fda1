#pragma once
// The yardstick for a local call: one coroutine awaits another, and nothing else happens.
//
// Frames come from a free list, and control passes by symmetric transfer with a number in and a number out. There is no
// callee to look up, no lock, no order to keep, no exception to pass on. The callee is reached through a pointer that
// the optimiser cannot see through, so its frame is really allocated.

#include <cstdint>

namespace epic::bench {

/// Awaits `count` calls one after the other and returns the sum of their results.
std::int64_t run_bare_coroutine_calls(std::uint64_t count);

}  // namespace epic::bench
