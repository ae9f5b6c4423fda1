#include "kernel/batch.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

namespace epic::kernel {

bool try_append(Batch& batch, Batch& next) {
  std::vector<ShardEpoch> more_epochs;
  for (const ShardEpoch& held : next.epochs) {
    const auto known = std::ranges::find(batch.epochs, held.shard, &ShardEpoch::shard);
    if (known == batch.epochs.end())
      more_epochs.push_back(held);
    else if (known->epoch != held.epoch)
      return false;
  }
  batch.number = next.number;
  std::ranges::copy(more_epochs, std::back_inserter(batch.epochs));
  std::ranges::move(next.schemas, std::back_inserter(batch.schemas));
  const auto name = [](const Write* write) { return std::tie(write->key, write->type); };
  batch.writes.reserve(batch.writes.size() + next.writes.size());  // or they would move from under `by_name`
  std::vector<Write*> by_name;
  by_name.reserve(batch.writes.size());
  for (Write& write : batch.writes) by_name.push_back(&write);
  std::ranges::sort(by_name, {}, name);
  for (Write& write : next.writes) {
    const auto older = std::ranges::lower_bound(by_name, name(&write), {}, name);
    if (older != by_name.end() && name(*older) == name(&write)) {
      (*older)->version = write.version;
      (*older)->schema = write.schema;
      (*older)->bytes = std::move(write.bytes);
    } else {
      batch.writes.push_back(std::move(write));
    }
  }
  return true;
}

}  // namespace epic::kernel
