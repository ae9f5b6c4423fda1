#include "storage/batch_check.hpp"

#include "kernel/assert.hpp"

namespace epic::storage {

void check_batch(const Batch& batch, std::uint16_t shard_count) {
  std::vector<bool> is_covered(shard_count, false);
  for (const ShardEpoch& held : batch.epochs) {
    EPIC_ASSERT(held.shard.value < shard_count, "commit {} names shard {} of {}", batch.number, held.shard,
                shard_count);
    EPIC_ASSERT(!is_covered[held.shard.value], "commit {} names shard {} twice", batch.number, held.shard);
    is_covered[held.shard.value] = true;
  }
  for (const Write& write : batch.writes) {
    EPIC_ASSERT(write.shard.value < shard_count && is_covered[write.shard.value],
                "commit {} writes {}/{} without the epoch of its shard {}", batch.number, write.type, write.key,
                write.shard);
  }
}

}  // namespace epic::storage
