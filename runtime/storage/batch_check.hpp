#pragma once
// What every store may rely on in a batch, and the errors whose sentences all stores share.

#include <string>

#include "storage/store.hpp"

namespace epic::storage {

/// Asserts that each shard is named once and exists, that each operation is covered by the epoch of its shard, and that
/// mail has somewhere to go: anything else is a bug of the caller.
void check_batch(const Batch& batch, std::uint32_t shard_count);

/// `where`: "the memory store", "the store '…'".
[[nodiscard]] StoreError lost_ownership(const Batch& batch, const ShardEpoch& held, const Store::ShardRow& row,
                                        const std::string& where);
/// `found`: the version of the entity's row; 0: there is none, or the operation is not one on an entity.
[[nodiscard]] StoreError conflict(const Batch& batch, std::size_t operation, kernel::Version found,
                                  const std::string& where);
[[nodiscard]] StoreError not_granted(const Grant& grant, kernel::Term term, const Store::ShardRow& row,
                                     const std::string& where);
[[nodiscard]] StoreError not_granted(kernel::NodeId node, kernel::Incarnation incarnation, const Store::ShardRow& row,
                                     const std::string& where);

/// True if the row may be changed as `grant` says.
[[nodiscard]] bool may_grant(const Grant& grant, kernel::Term term, const Store::ShardRow& row);

}  // namespace epic::storage
