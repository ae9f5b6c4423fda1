#pragma once
// PgMailPlaces: which messages to a shard have been read, while others are still being committed.
//
// A message gets its place before its transaction ends, and transactions end in any order: after place 6 was read,
// place 5 may become visible. So what is read is not everything up to a place. It is everything up to a *settled*
// place, below which no transaction is under way, and single places above it, which are remembered and left out the
// next time.
//
// A place is settled when every transaction has ended that had begun when it was given out. For that, each reading
// notes the last place, and then takes a transaction's number: transactions with greater ones get greater places. A
// long transaction of another program on this server delays that and nothing else: more single places are remembered
// meanwhile.
//
// A server that crashes, or whose standby takes over, would give out places again that were settled here, for
// transactions that have not survived. So no place below that is used after a connection was lost (kSkipPlaces).
//
// A sender's messages are read in their order, since its transactions come one after the other.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "kernel/ids.hpp"

namespace epic::storage {

class PgMailPlaces {
 public:
  /// Where to read on: everything after `from` but `known`.
  struct Place {
    std::int64_t from = 0;
    std::set<std::int64_t> known = {};
  };
  /// `after` is what the last reading of the shard has answered; any other place is taken for settled.
  [[nodiscard]] const Place& find(kernel::ShardId shard, std::uint64_t after);

  /// What the server said before the messages were read: the last place that was given out, the first transaction that
  /// has not ended, and one that began after all that have a place up to that.
  void note(std::int64_t last_place, std::int64_t oldest_running, std::int64_t later_transaction);

  /// Messages to the shard were read at these places. `has_more`: those behind the last one were not. Returns the place
  /// that the next reading comes after.
  std::uint64_t on_read(kernel::ShardId shard, const std::set<std::int64_t>& places, bool has_more);

 private:
  static constexpr std::size_t kNotesMax = 64;
  struct Box {
    std::uint64_t answered = 0;
    Place place = {};
  };
  std::map<kernel::ShardId, Box> boxes_;
  std::deque<std::pair<std::int64_t, std::int64_t>> notes_;  // transaction, and the last place before it
  std::int64_t settled_ = 0;
};

}  // namespace epic::storage
