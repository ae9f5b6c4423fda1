#pragma once
// Granter: writes to the store what a shard map gives to whom, before the map is published.
//
// All decisions about shards go through one of these. It knows which incarnation each row names, so it writes only
// what a map changes, in one transaction, and each grant states the holder that it replaces.
//
// Invariant: the term is larger than that of every grant before, so a former leader can grant nothing any more. It is
//            chosen once: who has been replaced stays so.
// Not here:  who should have a shard, and whether its former owner is done with it
// (cluster/supervisor/shard_table.hpp).

#include <cstdint>
#include <expected>
#include <span>
#include <utility>
#include <vector>

#include "kernel/messages.hpp"
#include "storage/store.hpp"

namespace epic::storage {

class Granter {
 public:
  enum class TermRule : std::uint8_t {
    at_least,  // later, if a row has it or a later one
    exact,     // not_granted, if a row has it or a later one: another has begun to lead since it was chosen
  };

  Granter() = default;
  /// Begins a term. Every earlier owner of a shard but `alive` is dead by now, or has released it.
  static std::expected<Granter, StoreError> lead(Store& store, kernel::Term term,
                                                 const std::vector<kernel::Incarnation>& alive = {},
                                                 TermRule rule = TermRule::at_least);
  /// Goes on in the same term with a store that was opened anew. not_granted: another has begun a later one.
  [[nodiscard]] std::expected<void, StoreError> go_on(Store& store);

  /// Shards that their last owners, of an earlier term, have not given back: those have died. Once.
  [[nodiscard]] std::vector<kernel::ShardId> take_orphans() { return std::exchange(orphans_, {}); }
  /// All owners have ended in order, but for those of `orphans`: the store names nobody any more.
  [[nodiscard]] std::expected<void, StoreError> give_back(Store& store, const std::vector<kernel::ShardId>& orphans);

  /// Returns when the store names the owners of `map`; shards without one keep their rows. May be repeated.
  [[nodiscard]] std::expected<void, StoreError> write(Store& store, const kernel::ShardMap& map);

 private:
  struct Holder {
    kernel::Incarnation incarnation;
    kernel::MapVersion since;
  };
  void know(std::span<const Store::ShardRow> rows, std::uint32_t shard_count);

  kernel::Term term_;
  std::vector<Holder> holders_;  // by shard
  std::vector<kernel::ShardId> orphans_;
};

/// Takes every shard for a program that has the store to itself: no fabric runs, and none can start. `incarnation` is
/// drawn anew each time.
[[nodiscard]] std::expected<std::vector<ShardEpoch>, StoreError> take_all(Store& store,
                                                                          kernel::Incarnation incarnation);

}  // namespace epic::storage
