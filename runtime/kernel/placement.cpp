#include "kernel/placement.hpp"

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

ShardId Placement::shard_of(std::string_view type, std::string_view key) const {
  const std::string_view placed = placement_key(key);
  const bool has_tag = placed.size() != key.size();
  const std::string_view group = has_tag && !groups_.empty() ? group_of(type) : type;
  XXH64_state_t state;
  XXH64_reset(&state, 0);
  XXH64_update(&state, group.data(), group.size());
  XXH64_update(&state, "/", 1);
  XXH64_update(&state, placed.data(), placed.size());
  return shard_from(XXH64_digest(&state), shard_count_);
}

ShardId Placement::shard_of(std::string_view name) const {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return shard_of(name, std::string_view{});
  const std::string_view key = name.substr(slash + 1);
  if (placement_key(key).size() == key.size()) return shard_from(XXH64(name.data(), name.size(), 0), shard_count_);
  return shard_of(name.substr(0, slash), key);
}

}  // namespace epic::kernel
