#pragma once
// Ids, epochs and sequence numbers: each has its own type, so that they cannot be confused.

#include <cstdint>

#include "reflect/strong_id.hpp"

namespace epic::kernel {

using reflect::SchemaId;
using reflect::StrongId;

/// A numbered slot for a node: 1 is node-1. 0 is no node.
using NodeId = StrongId<struct NodeIdTag, std::uint16_t>;
/// One life of the process in a slot: a random number, so that no two are ever alike, also in a store that was restored
/// from a copy. 0 is nobody.
using Incarnation = StrongId<struct IncarnationTag, std::uint64_t>;
/// 0 … shard count - 1.
using ShardId = StrongId<struct ShardIdTag, std::uint32_t>;
/// Raised by one, in the store, each time a node takes the shard. 0: never taken.
using Epoch = StrongId<struct EpochTag, std::uint64_t>;
/// Batches of one incarnation, in the order in which they were sealed. 0: nothing yet.
using CommitNumber = StrongId<struct CommitNumberTag, std::uint64_t>;
/// Grows with each change to an entity's saved state, also across erase(). 0: never saved.
using Version = StrongId<struct VersionTag, std::uint64_t>;
/// Numbers the supervisors that lead a fabric, one after the other.
using Term = StrongId<struct TermTag, std::uint64_t>;
/// Grows with each shard map that coordination publishes.
using MapVersion = StrongId<struct MapVersionTag, std::uint64_t>;

}  // namespace epic::kernel
