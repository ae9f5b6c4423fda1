#include "kernel/placement_hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernel/assert.hpp"

namespace epic::kernel {

namespace {

ShardId shard_from(std::uint64_t hash, std::uint32_t shard_count) {
  EPIC_ASSERT(shard_count > 0, "a fabric has at least one shard");
  return ShardId{static_cast<std::uint32_t>(hash % shard_count)};
}

}  // namespace

std::string_view placement_key(std::string_view key) {
  for (auto open = key.find('{'); open != std::string_view::npos; open = key.find('{', open + 1)) {
    const auto close = key.find('}', open + 1);
    if (close == std::string_view::npos) break;
    if (close > open + 1) return key.substr(open + 1, close - open - 1);
  }
  return key;
}

ShardId shard_of(std::string_view type, std::string_view key, std::uint32_t shard_count) {
  const std::string_view placed = placement_key(key);
  XXH64_state_t state;
  XXH64_reset(&state, 0);
  XXH64_update(&state, type.data(), type.size());
  XXH64_update(&state, "/", 1);
  XXH64_update(&state, placed.data(), placed.size());
  return shard_from(XXH64_digest(&state), shard_count);
}

ShardId shard_of(std::string_view name, std::uint32_t shard_count) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return shard_of(name, std::string_view{}, shard_count);
  const std::string_view key = name.substr(slash + 1);
  if (placement_key(key).size() == key.size()) return shard_from(XXH64(name.data(), name.size(), 0), shard_count);
  return shard_of(name.substr(0, slash), key, shard_count);
}

}  // namespace epic::kernel
