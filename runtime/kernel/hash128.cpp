#include "kernel/hash128.hpp"

#include <xxhash.h>

namespace epic::kernel {

Hash128 hash128(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

}  // namespace epic::kernel
