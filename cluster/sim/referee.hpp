#pragma once
// Referee: watches what the processes of a simulated fabric do to the store that they share, and knows from the grants
// and takes that it has seen who may write what. It uses nothing of the stores' own fence.
//
// Invariants that it checks:
//  - only the process that a shard was granted to last takes it, or writes to it;
//  - that process is not kept from writing by the fence;
//  - what it changes is what it has left there: no condition of its batch fails.
// The last two cost an owner its life and nothing else, so no client would notice them.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "storage/store.hpp"

namespace epic::cluster::sim {

class Referee {
 public:
  void on_granted(const storage::Grants& grants);
  void on_taken(std::span<const kernel::ShardId> shards, kernel::Incarnation by);
  void on_written(const storage::Batch& batch);
  void on_refused(const storage::Batch& batch, const storage::StoreError& why);
  /// The store is another now, or has lost what was not synced: nothing is known of it until the next grants.
  void forget() { owners_.clear(); }

  /// What went wrong so far; empty: nothing.
  [[nodiscard]] const std::vector<std::string>& list_breaches() const { return breaches_; }

 private:
  [[nodiscard]] bool is_owner(kernel::ShardId shard, kernel::Incarnation process) const;
  void note(std::string breach);

  std::map<kernel::ShardId, kernel::Incarnation> owners_;
  std::vector<std::string> breaches_;
};

}  // namespace epic::cluster::sim
