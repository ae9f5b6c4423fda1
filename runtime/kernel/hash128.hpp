#pragma once
// Hash128: detects whether encoded state has changed since it was last saved (XXH3, 128 bits).

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

namespace epic::kernel {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  auto operator<=>(const Hash128&) const = default;
};

[[nodiscard]] Hash128 hash128(std::span<const std::byte> bytes);

}  // namespace epic::kernel
