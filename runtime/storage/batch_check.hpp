#pragma once
// What every store may rely on in a batch; anything else is a bug of its caller.

#include "storage/store.hpp"

namespace epic::storage {

/// Asserts that each shard is named once and exists, and that each write is covered by the epoch of its shard.
void check_batch(const Batch& batch, std::uint16_t shard_count);

}  // namespace epic::storage
