#pragma once
// The yardstick of a local call: one coroutine awaits another, and nothing else happens.
//
// Frames come from a free list, control passes by symmetric transfer, a number goes in and a number comes out. There is
// no callee to look up, no lock, no order to keep, no exception to carry. The callee is reached through a pointer
// that the optimiser does not know, so its frame is really made.

#include <cstdint>

namespace epic::bench {

/// Awaits `count` calls, one after the other, and returns the sum of their results.
std::int64_t run_bare_coroutine_calls(std::uint64_t count);

}  // namespace epic::bench
