#pragma once
// From a batch to the statements that carry it out, for one round trip.
//
// Operations of one kind become one statement with arrays, so the number of statements does not grow with the batch.
// The order of two operations matters only if they are about the same row: the second one then begins a new *wave* of
// statements, which comes after all of the first one's. The kernel joins most such pairs before (kernel/batch.hpp).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/postgres_connection.hpp"
#include "storage/store.hpp"

namespace epic::storage {

struct PgBatchContext {
  std::uint32_t shard_count;
  std::int64_t saved_at_ns;
};

/// The fence alone.
[[nodiscard]] PgCall fence_of(const Batch& batch);
/// Schemas and operations, without the fence.
[[nodiscard]] std::vector<PgCall> calls_of(const Batch& batch, const PgBatchContext& context);
/// The same for one operation, to find which one fails.
[[nodiscard]] std::vector<PgCall> calls_of(const Operation& operation, const PgBatchContext& context);

}  // namespace epic::storage
