#include "reflect/hash.hpp"

#include <xxhash.h>

namespace epic::reflect {

std::uint64_t hash64(std::string_view text) { return XXH64(text.data(), text.size(), /*seed=*/0); }

Hash128 hash128(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {.low = hash.low64, .high = hash.high64};
}

}  // namespace epic::reflect
