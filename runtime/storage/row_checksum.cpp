#include "storage/row_checksum.hpp"

#include <array>
#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace epic::storage {

static_assert(std::endian::native == std::endian::little,
              "the numbers below are hashed in their memory representation");

std::uint64_t row_checksum(std::string_view type, std::string_view key, kernel::ShardId shard, kernel::Version version,
                           kernel::SchemaId schema, std::int64_t saved_at_ns, std::span<const std::byte> bytes) {
  // Lengths first, so that no part can lend bytes to the next.
  const std::array<std::uint64_t, 6> header{type.size(),   key.size(),   shard.value,
                                            version.value, schema.value, static_cast<std::uint64_t>(saved_at_ns)};
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, header.data(), sizeof(header));
  XXH3_64bits_update(&state, type.data(), type.size());
  XXH3_64bits_update(&state, key.data(), key.size());
  XXH3_64bits_update(&state, bytes.data(), bytes.size());
  return XXH3_64bits_digest(&state);
}

}  // namespace epic::storage
