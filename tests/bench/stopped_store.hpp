#pragma once
// StoppedStore: the store of a fabric that is stopped, to put reminders into it faster than entities can set them.
//
// A reminder that an entity has set serves as the pattern: so its method, arguments and schema are right.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "storage/store.hpp"
#include "storage/store_address.hpp"

namespace epic::bench {

class StoppedStore {
 public:
  /// Takes all shards. Throws std::runtime_error, as all its functions do.
  explicit StoppedStore(const storage::StoreAddress& address);

  /// The only reminder in it.
  [[nodiscard]] storage::Reminder get_reminder();
  /// Reminders like `pattern`, of the entities with the keys 0 … `count` - 1, due once.
  void add_reminders(const storage::Reminder& pattern, std::int64_t count,
                     const std::function<std::int64_t(std::int64_t)>& due_ns_of);

 private:
  std::unique_ptr<storage::Store> store_;
  kernel::Incarnation writer_;
  std::vector<storage::ShardEpoch> epochs_;
  kernel::CommitNumber last_commit_;
};

/// What a store holds that is still to happen, or was given up. Also while a fabric runs on it.
struct Unfinished {
  std::uint64_t reminders = 0;
  std::uint64_t mail = 0;  // waiting, or begun
  std::uint64_t dead = 0;  // letters
};
[[nodiscard]] Unfinished count_unfinished(const storage::StoreAddress& address);

}  // namespace epic::bench
