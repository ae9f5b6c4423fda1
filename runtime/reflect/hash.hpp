#pragma once
// The system's two hashes, both xxHash: 64 bits for names (shards, schemas), 128 bits to detect changed bytes.
//
// Stores record the 64-bit hash, so it must never change: xxh64 with seed 0.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace epic::reflect {

/// xxh64, seed 0.
[[nodiscard]] std::uint64_t hash64(std::string_view text);

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  auto operator<=>(const Hash128&) const = default;
};

/// xxh3, 128 bits, seed 0. Kept in memory only.
[[nodiscard]] Hash128 hash128(std::span<const std::byte> bytes);

}  // namespace epic::reflect
