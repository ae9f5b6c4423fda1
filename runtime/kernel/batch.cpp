#include "kernel/batch.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace epic::kernel {

namespace {

using RowName = std::pair<std::string_view, std::string_view>;

struct NameHash {
  std::size_t operator()(const RowName& name) const {
    return std::hash<std::string_view>{}(name.second) * 31 + std::hash<std::string_view>{}(name.first);
  }
};

RowName name_of(const Operation& operation) {
  return std::visit([](const auto& change) { return RowName{change.type, change.key}; }, operation);
}

/// The later change, on the row that the older one was to find.
void replace_by(Operation& older, Operation&& later) {
  const auto replaces = std::visit([](const auto& change) { return change.replaces; }, older);
  std::visit([&](auto& change) { change.replaces = replaces; }, later);
  older = std::move(later);
}

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
  std::unordered_map<RowName, std::size_t, NameHash> places;
  batch.operations.reserve(batch.operations.size() + next.operations.size());  // names are views into its elements
  for (std::size_t i = 0; i < batch.operations.size(); ++i) places.emplace(name_of(batch.operations[i]), i);
  for (Operation& operation : next.operations) {
    const auto older = places.find(name_of(operation));
    if (older == places.end()) {
      batch.operations.push_back(std::move(operation));
      continue;
    }
    const std::size_t place = older->second;
    places.erase(older);  // its name goes with the older change
    replace_by(batch.operations[place], std::move(operation));
    places.emplace(name_of(batch.operations[place]), place);
  }
  return true;
}

}  // namespace epic::kernel
