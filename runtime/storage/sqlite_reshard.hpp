#pragma once
// Resharding of an SQLite database: every row goes under the shard that its entity has by another placement.
//
// The checksum of a row covers its shard, so it is computed anew, unless it was wrong: a damaged row stays a damaged
// one. A message keeps its id, which names its sender's shard of that time: an id is a name, not a place.
//
// All shards begin anew: nobody holds one, and the epoch of each is beyond every former one. So no former owner can
// commit anything, and no message gets an id that another has. Each shard's version floor is the highest of all, since
// entities of any former shard may belong to it.
//
// Not here: that it happens in one step, and to a copy (resharding.hpp).

#include <cstdint>
#include <expected>

#include "kernel/placement.hpp"
#include "storage/backup.hpp"
#include "storage/sqlite_connection.hpp"

namespace epic::storage {

struct ReshardedRows {
  std::uint64_t all = 0;    // snapshots, messages, reminders and answers
  std::uint64_t moved = 0;  // … that are under another shard now
};

/// Moves the rows of a database of the present format, in one transaction.
[[nodiscard]] std::expected<ReshardedRows, StoreError> reshard_rows(Connection& connection,
                                                                    const kernel::Placement& placement,
                                                                    const OnBackupProgress& on_progress);

}  // namespace epic::storage
