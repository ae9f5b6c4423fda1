#include "kernel/batch.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace epic::kernel {

namespace {

struct NameHash {
  std::size_t operator()(const std::pair<std::string_view, std::string_view>& name) const {
    return std::hash<std::string_view>{}(name.second) * 31 + std::hash<std::string_view>{}(name.first);
  }
};

}  // namespace

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
  // Views into the writes' strings: their vector must not grow while they are in use.
  batch.writes.reserve(batch.writes.size() + next.writes.size());
  std::unordered_map<std::pair<std::string_view, std::string_view>, Write*, NameHash> by_name;
  for (Write& write : batch.writes)
    by_name.emplace(std::pair{std::string_view(write.type), std::string_view(write.key)}, &write);
  for (Write& write : next.writes) {
    if (const auto older = by_name.find({write.type, write.key}); older != by_name.end()) {
      older->second->version = write.version;
      older->second->schema = write.schema;
      older->second->bytes = std::move(write.bytes);
    } else {
      batch.writes.push_back(std::move(write));
    }
  }
  return true;
}

}  // namespace epic::kernel
