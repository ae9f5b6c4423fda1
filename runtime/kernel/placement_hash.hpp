#pragma once
// Placement hash: which shard an entity belongs to.
//
// The shard of "Type/Key" is its xxh64 (seed 0) modulo the shard count. A key with a `{tag}` counts as the tag alone,
// so "Room/{lobby}" and "Room/{lobby}:7" share a shard, and "Room/lobby" does too. The first non-empty brace pair is
// the tag;
// "{}" is not one. Every process of a fabric, and every store, must agree: a change here is a change of format.
//
// Not here: which node owns a shard (the shard map).

#include <cstdint>
#include <string_view>

#include "kernel/ids.hpp"

namespace epic::kernel {

/// The part of `key` that is hashed: the text inside its first non-empty `{…}`, or all of it.
[[nodiscard]] std::string_view placement_key(std::string_view key);

/// Shard of the entity `type`/`key`. `shard_count` > 0. Does not allocate.
[[nodiscard]] ShardId shard_of(std::string_view type, std::string_view key, std::uint32_t shard_count);

/// The same from a full name, "Type/Key"; the key is everything after the first '/'.
[[nodiscard]] ShardId shard_of(std::string_view name, std::uint32_t shard_count);

/// Where the entities of a fabric are placed.
class Placement {
 public:
  explicit Placement(std::uint32_t shard_count) : shard_count_(shard_count) {}
  [[nodiscard]] std::uint32_t shard_count() const { return shard_count_; }
  [[nodiscard]] ShardId shard_of(std::string_view type, std::string_view key) const {
    return kernel::shard_of(type, key, shard_count_);
  }
  [[nodiscard]] ShardId shard_of(std::string_view name) const { return kernel::shard_of(name, shard_count_); }
  bool operator==(const Placement&) const = default;

 private:
  std::uint32_t shard_count_;
};

}  // namespace epic::kernel
