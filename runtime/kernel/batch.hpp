#pragma once
// Batch: what the kernel hands to the store, and what it gets back when an entity is loaded. Plain values.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "kernel/ids.hpp"

namespace epic::kernel {

struct ShardEpoch {
  ShardId shard;
  Epoch epoch;
  bool operator==(const ShardEpoch&) const = default;
};

/// A change to one entity. Without bytes the snapshot is removed.
struct Write {
  std::string type;
  std::string key;
  ShardId shard;
  Version version;
  SchemaId schema;
  std::optional<std::vector<std::byte>> bytes;
};

struct SchemaText {
  SchemaId id;
  std::string text;  // canonical, see reflect/schema.hpp
};

/// One transaction: all or nothing.
struct Batch {
  CommitNumber number;
  std::vector<ShardEpoch> epochs;   // one for each shard that `writes` touch
  std::vector<SchemaText> schemas;  // those that this node uses for the first time; known ones are left as they are
  std::vector<Write> writes;
};

/// Makes one transaction of two: `next` was made later, so its state of an entity takes the place of the older one.
/// False, and both are as they were, when they were made under different epochs of a shard.
[[nodiscard]] bool try_append(Batch& batch, Batch& next);

/// The saved state of an entity, with the schema that it was written with.
struct LoadedState {
  Version version;
  SchemaId schema;
  std::string schema_text;
  std::vector<std::byte> bytes;
  std::int64_t saved_at_ns = 0;  // wall clock
};

/// Empty: never saved. An error is a sentence, and concerns this entity only.
using LoadResult = std::expected<std::optional<LoadedState>, std::string>;

}  // namespace epic::kernel
