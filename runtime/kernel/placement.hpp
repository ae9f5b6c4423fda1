#pragma once
// Placement: which shard an entity belongs to.
//
// The shard of "Type/Key" is its xxh64 (seed 0) modulo the number of shards. A key with a `{tag}` counts as the tag
// alone, so "Room/{lobby}" and "Room/{lobby}:7" share a shard, and "Room/lobby" does too. The first non-empty brace
// pair is the tag; "{}" is not one. A class may be in a group, by together(…) in its EPIC_ENTITY: a tagged key of it
// counts as the group's, so "Player/{lobby}:bob" shares that shard if Player is together(Room).
//
// Every process of a fabric, and every store, must agree: a change here is a change of format. So nothing but a
// Placement finds a shard, and a fabric's is that of its store.
//
// Not here: which node owns a shard (the shard map), the groups of a module (placement_groups.hpp).

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/ids.hpp"

namespace epic::kernel {

/// Class to group, both by stored names. A class that is in no group, or in one of its own name, is not listed.
using PlacementGroups = std::map<std::string, std::string, std::less<>>;

/// The part of `key` that is hashed: the text inside its first non-empty `{…}`, or all of it.
[[nodiscard]] std::string_view placement_key(std::string_view key);

/// Where the entities of a fabric belong.
class Placement {
 public:
  Placement(std::uint32_t shard_count, PlacementGroups groups)
      : shard_count_(shard_count), groups_(std::move(groups)) {}

  [[nodiscard]] std::uint32_t shard_count() const { return shard_count_; }
  [[nodiscard]] const PlacementGroups& groups() const { return groups_; }
  /// The class whose tags this one shares; its own name if it is in no group.
  [[nodiscard]] std::string_view group_of(std::string_view type) const {
    const auto found = groups_.find(type);
    return found == groups_.end() ? type : std::string_view(found->second);
  }

  /// `type` is a stored name. There is at least one shard. Does not allocate.
  [[nodiscard]] ShardId shard_of(std::string_view type, std::string_view key) const;
  /// The shard of a full name, "Type/Key"; the key is everything after the first '/'.
  [[nodiscard]] ShardId shard_of(std::string_view name) const;

  bool operator==(const Placement&) const = default;

 private:
  std::uint32_t shard_count_;
  PlacementGroups groups_;
};

/// Where no class is in a group.
[[nodiscard]] inline Placement ungrouped(std::uint32_t shard_count) { return Placement(shard_count, {}); }

}  // namespace epic::kernel
