#pragma once
// ByShard: what some shards have, found in constant time: each call that leaves asks several times. It moves in memory
// when a shard is added, and has no order: where that shows, list_shards() puts it into one, so that a run can be
// repeated.

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <vector>

#include "kernel/ids.hpp"

namespace epic::kernel {

struct ShardHash {
  std::size_t operator()(ShardId shard) const { return shard.value; }
};

template <class T>
using ByShard = boost::unordered_flat_map<ShardId, T, ShardHash>;

template <class T>
[[nodiscard]] std::vector<ShardId> list_shards(const ByShard<T>& shards) {
  std::vector<ShardId> all;
  all.reserve(shards.size());
  for (const auto& [shard, of] : shards) all.push_back(shard);
  std::ranges::sort(all);
  return all;
}

}  // namespace epic::kernel
