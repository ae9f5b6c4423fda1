#pragma once
// Takeover: what a supervisor that begins to lead goes on with.
//
// The store says who was granted which shard last, and under which term; the machines say which nodes live and which
// shards they have. A shard whose last owner lives stays with it. All others were those of machines that are gone.
//
// Not here: who leads (membership.hpp), how shards go on from there (shard_table.hpp).

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cluster/supervisor/modules.hpp"
#include "cluster/supervisor/setup_runner.hpp"
#include "cluster/supervisor/shard_table.hpp"
#include "protocol/machines.hpp"
#include "storage/store.hpp"

namespace epic::cluster {

struct Takeover {
  bool is_takeover = false;  // otherwise the fabric is new
  std::string fabric_id = {};
  kernel::Term term = {};
  /// Maps of this term have larger ones.
  kernel::MapVersion first_version = {};
  protocol::FabricNotes notes = {};  // the newest
  /// Of the module: the newest that a node runs, or that a former leader has begun to start nodes with.
  Generation generation{1};
  std::string module = {};       // the digest of that; empty: nobody knows
  std::string module_at = {};    // a machine with a node that runs it; empty: there is none
  bool has_older_nodes = false;  // that run a former generation
  std::vector<kernel::Incarnation> alive = {};
  std::set<kernel::Incarnation> nodes = {};  // the same, to look up
  ShardTable::Inherited shards = {};
  /// By shard, also those that are gone; 0: none.
  std::vector<kernel::NodeId> last_owners = {};
};

/// `rows`: of the store, as it is while nobody leads. `machines`: all there are. A fabric that nobody knows is new, and
/// gets `new_fabric_id`.
[[nodiscard]] Takeover plan_takeover(std::span<const storage::Store::ShardRow> rows,
                                     std::span<const protocol::Hello> machines, std::uint32_t shard_count,
                                     std::string new_fabric_id);

}  // namespace epic::cluster
