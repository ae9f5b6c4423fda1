#pragma once
// ShardLooks: what runs in the shards that are being given back, seen in one look at the table of calls for all of
// them.
//
// Of each shard there are two questions: does anything that runs there wait for a call that does not run there, so that
// the shard must be opened again (LocalShards)? And what has run there for too long, and is to be aborted? There may be
// thousands of shards and a million calls, so the questions that come while a look is on wait for the next look, and a
// look goes on by slices, over several ticks.
//
// Not here: when a shard is asked about (local_shards.hpp), what aborting is (early_ends.hpp).

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstdint>
#include <optional>

#include "kernel/calls/early_ends.hpp"
#include "kernel/routing/routing.hpp"

namespace epic::kernel {

class ShardLooks {
 public:
  ShardLooks(const Clock& clock, const CallWords& words, Calls& calls, EarlyEnds& ends, Routing& routing,
             std::chrono::nanoseconds grace)
      : clock_(clock), words_(words), calls_(calls), ends_(ends), routing_(routing), grace_(grace) {}

  /// Routing::on_waits_seen is the answer, if it is yes.
  void look_for_waits(ShardId shard) { asked_[shard.value].is_about_waits = true; }
  void end_running(ShardId shard, const Overdue& overdue) { asked_[shard.value].overdue = overdue; }

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return look_.is_on() || !asked_.empty() ? std::optional(std::int64_t{0}) : std::nullopt;
  }

 private:
  struct Asked {
    bool is_about_waits = false;
    bool waits = false;
    Overdue overdue;  // nothing is
  };
  using AskedShards = boost::unordered_flat_map<decltype(ShardId::value), Asked>;

  void see(Record& record, std::vector<RecordRef>& late);
  [[nodiscard]] bool is_late(const Record& record, const Overdue& overdue) const;
  void answer();

  const Clock& clock_;
  const CallWords& words_;
  Calls& calls_;
  EarlyEnds& ends_;
  Routing& routing_;
  std::chrono::nanoseconds grace_;
  AskedShards asked_;  // for the next look
  AskedShards seen_;   // in this one
  CallTable::Look look_;
};

}  // namespace epic::kernel
