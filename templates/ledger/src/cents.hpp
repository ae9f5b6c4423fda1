#pragma once
// Money is counted in cents, as integers: nothing is rounded, and nothing wraps around.

#include <cstdint>
#include <stdexcept>

/// Throws std::overflow_error if the sum has more than 64 bits.
inline std::int64_t add_cents(std::int64_t left, std::int64_t right) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(left, right, &sum)) throw std::overflow_error("the sum of cents is too large");
  return sum;
}
