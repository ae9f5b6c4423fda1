#pragma once
// Checksum of a snapshot's row: xxh3-64 over every column, so that damage to the version is found as well as damage to
// the bytes.

#include <cstdint>

#include "storage/store.hpp"

namespace epic::storage {

/// Part of the store's format: its result must never change.
[[nodiscard]] std::uint64_t row_checksum(std::string_view type, std::string_view key, kernel::ShardId shard,
                                         kernel::Version version, kernel::SchemaId schema, std::int64_t saved_at_ns,
                                         std::span<const std::byte> bytes);

}  // namespace epic::storage
