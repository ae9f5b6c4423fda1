#pragma once
// Ids, epochs and sequence numbers: each a type of its own, so that one is never taken for another.

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>

namespace epic::kernel {

/// A number with a meaning. Compares and hashes; arithmetic is spelt out with next() or value.
template <class Tag, class Rep>
struct StrongId {
  Rep value{};
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep initial) : value(initial) {}
  auto operator<=>(const StrongId&) const = default;
  [[nodiscard]] constexpr StrongId next() const { return StrongId{static_cast<Rep>(value + 1)}; }
};

/// A numbered slot for a node: 1 is node-1. 0 is nobody.
using NodeId = StrongId<struct NodeIdTag, std::uint16_t>;
/// One life of the process in a slot; grows with every start, over all slots of the fabric. 0 is nobody.
using Incarnation = StrongId<struct IncarnationTag, std::uint64_t>;
/// 0 … shard count - 1.
using ShardId = StrongId<struct ShardIdTag, std::uint16_t>;
/// Raised by one, in the store, each time a shard changes hands. 0: never owned.
using Epoch = StrongId<struct EpochTag, std::uint64_t>;
/// Batches of one node's life, in the order in which they were sealed. 0: nothing yet.
using CommitNumber = StrongId<struct CommitNumberTag, std::uint64_t>;
/// How often an entity has been saved. 0: never.
using Version = StrongId<struct VersionTag, std::uint64_t>;
/// Names a schema by the hash of its canonical text.
using SchemaId = StrongId<struct SchemaIdTag, std::uint64_t>;
/// Grows with each shard map that coordination publishes.
using MapVersion = StrongId<struct MapVersionTag, std::uint64_t>;

}  // namespace epic::kernel

template <class Tag, class Rep>
struct std::hash<epic::kernel::StrongId<Tag, Rep>> {
  std::size_t operator()(epic::kernel::StrongId<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value); }
};

template <class Tag, class Rep>
struct fmt::formatter<epic::kernel::StrongId<Tag, Rep>> : fmt::formatter<Rep> {
  auto format(epic::kernel::StrongId<Tag, Rep> id, auto& context) const {
    return fmt::formatter<Rep>::format(id.value, context);
  }
};
