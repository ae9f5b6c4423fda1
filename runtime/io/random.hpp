#pragma once
// Randomness, for values that must differ between processes that do not know of each other.

#include <cstdint>
#include <random>

namespace epic::io {

/// Never 0.
[[nodiscard]] inline std::uint64_t random_id() {
  std::random_device device;
  while (true)
    if (const std::uint64_t id = (std::uint64_t{device()} << 32) | device(); id != 0) return id;
}

}  // namespace epic::io
