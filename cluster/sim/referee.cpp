#include "cluster/sim/referee.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epic::cluster::sim {

namespace {
constexpr std::size_t kBreachesMax = 20;  // one leads to others
}

void Referee::on_granted(const storage::Grants& grants) {
  for (const storage::Grant& grant : grants.list) owners_[grant.shard] = grant.incarnation;
}

void Referee::on_taken(std::span<const kernel::ShardId> shards, kernel::Incarnation by) {
  for (const kernel::ShardId shard : shards)
    if (!is_owner(shard, by)) note(fmt::format("a process took shard {}, which was not granted to it", shard));
}

void Referee::on_written(const storage::Batch& batch) {
  for (const storage::ShardEpoch& held : batch.epochs)
    if (!is_owner(held.shard, batch.writer))
      note(fmt::format("commit {} of a former owner of shard {} was accepted", batch.number, held.shard));
}

void Referee::on_refused(const storage::Batch& batch, const storage::StoreError& why) {
  const bool owns_all = std::ranges::all_of(
      batch.epochs, [&](const storage::ShardEpoch& held) { return is_owner(held.shard, batch.writer); });
  if (!owns_all) return;
  if (why.code == storage::StoreErrorCode::lost_ownership)
    note("an owner could not write to its own shards: " + why.message);
  if (why.code == storage::StoreErrorCode::conflict)
    note("an owner found something else than it had written: " + why.message);
}

/// Also of a shard of which nothing is known.
bool Referee::is_owner(kernel::ShardId shard, kernel::Incarnation process) const {
  const auto found = owners_.find(shard);
  return found == owners_.end() || found->second == process;
}

void Referee::note(std::string breach) {
  if (breaches_.size() < kBreachesMax) breaches_.push_back(std::move(breach));
}

}  // namespace epic::cluster::sim
