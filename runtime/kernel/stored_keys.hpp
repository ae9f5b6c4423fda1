#pragma once
// StoredKeys: what the kernel asks of the store for epic::list, on one of the threads of epic::blocking.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/ids.hpp"

namespace epic::kernel {

struct StoredKeysQuery {
  std::string type;  // stored name
  std::string prefix;
  std::string after;  // only keys that come after this one
  std::size_t limit = 0;
  std::vector<bool> shards = {};  // by shard: those that count
};

struct StoredKeys {
  std::vector<std::pair<std::string, ShardId>> keys = {};  // in order
  std::string error = {};                                  // why they cannot be read, as a sentence; empty: they can
};

/// Any thread; may wait for the disk.
using ListStoredKeys = std::function<StoredKeys(const StoredKeysQuery&)>;

}  // namespace epic::kernel
