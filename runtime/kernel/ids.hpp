#pragma once
// Ids, epochs and sequence numbers: each a type of its own, so that one is never taken for another.

#include <cstdint>

#include "reflect/strong_id.hpp"

namespace epic::kernel {

using reflect::SchemaId;
using reflect::StrongId;

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
/// Grows with each shard map that coordination publishes.
using MapVersion = StrongId<struct MapVersionTag, std::uint64_t>;

}  // namespace epic::kernel
