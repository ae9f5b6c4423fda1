#pragma once
// Batch: what the kernel hands to the store, and what it gets back when an entity is loaded. Plain values.
//
// A batch is a list of operations. Each is a conditional change of rows: it states how many rows it affects, and when
// it would affect another number, the store refuses the whole batch. To add a kind of row: a struct here, joined to
// Operation; what two of them on the same row become (batch.cpp); an apply() in each store; conformance tests.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernel/ids.hpp"

namespace epic::kernel {

struct ShardEpoch {
  ShardId shard;
  Epoch epoch;
  bool operator==(const ShardEpoch&) const = default;
};

/// Writes an entity's state: one row.
struct PutSnapshot {
  std::string type;
  std::string key;
  ShardId shard;
  Version version;
  std::optional<Version> replaces;  // the version stored now; 0: no row; empty: whatever is there, even damaged
  SchemaId schema;
  std::vector<std::byte> bytes;
};

/// Removes an entity's state: one row, or none if it replaces none. Later versions of the entity exceed `version`.
struct EraseSnapshot {
  std::string type;
  std::string key;
  ShardId shard;
  Version version;
  std::optional<Version> replaces;  // as above
};

using Operation = std::variant<PutSnapshot, EraseSnapshot>;

[[nodiscard]] inline ShardId shard_of(const Operation& operation) {
  return std::visit([](const auto& change) { return change.shard; }, operation);
}
/// Of what it carries; for limits.
[[nodiscard]] inline std::size_t bytes_of(const Operation& operation) {
  const auto* put = std::get_if<PutSnapshot>(&operation);
  return put == nullptr ? 0 : put->bytes.size();
}

struct SchemaText {
  SchemaId id;
  std::string text;  // canonical, see reflect/schema.hpp
};

/// One transaction: all or nothing.
struct Batch {
  CommitNumber number;
  Incarnation writer;               // each shard must still be granted to it, and be at …
  std::vector<ShardEpoch> epochs;   // … this epoch: one for each shard that is touched
  std::vector<SchemaText> schemas;  // those that this node uses for the first time; known ones are left unchanged
  std::vector<Operation> operations;
};

/// Merges two batches into one transaction: `next` was made later, so its state of an entity replaces the older one.
/// False, without a change, if they were made under different epochs of a shard.
[[nodiscard]] bool try_append(Batch& batch, Batch& next);

/// The saved state of an entity, with the schema that it was written with.
struct SavedState {
  SchemaId schema;
  std::string schema_text;
  std::vector<std::byte> bytes;
  std::int64_t saved_at_ns = 0;  // wall clock
};

struct LoadedState {
  Version version;                       // the stored one; of an entity without a state, the one to go on from
  std::optional<SavedState> saved = {};  // empty: nothing is saved
};

/// An error is a sentence, and concerns this entity only.
using LoadResult = std::expected<LoadedState, std::string>;

}  // namespace epic::kernel
