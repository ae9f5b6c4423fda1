#pragma once
// LocalShards: the shards that this node owns, and how each is given back.
//
// A shard that a map gives to this node is usable once the store has raised its epoch. One that is asked back is
// closed: new calls wait, and it is released when nothing lives in it any more. But what runs may itself wait for one
// of those calls. If the call comes from inside, its chain shows that and it is let in. It may also come from a call
// that occupies something that is waited for, and no chain shows that. So when what runs has waited for other calls for
// a window of time, the shard is opened again for a while, all calls are let in, and then it is closed for a longer
// window. That is how locks can be taken in any order without a deadlock: try, give up, wait, try again.
//
//   asked back ─▶ closed ─▶ empty: released
//                 │    ▲
//   25, 100, … ms ▼    │ as long, at most 100 ms
//                 open again
//
// This goes on until the end of the grace: then the shard stays closed, and what still runs there is ended. The grace
// may have begun before the shard was asked back, if its node was announced to stop; then only what has run for as
// long as a grace is ended, until the shard itself has had one. An on_deactivate begins only when its shard is asked
// back, and has a grace of its own; but after an announced grace just kHookGraceMin, as nodes that stop one after the
// other have one grace in total.
//
// Cost:     shards of other nodes take no memory here, and a turn of the windows visits only shards whose turn it is.
// Not here: what lives in a shard and what waits for it (the listener knows).

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "kernel/ids.hpp"
#include "kernel/routing/by_shard.hpp"

namespace epic::kernel {

/// Executions that had begun by these times, on the kernel's clock, have had their time.
struct Overdue {
  std::int64_t calls_ns = INT64_MIN;          // and on_activate, if that has had a whole grace
  std::int64_t deactivations_ns = INT64_MIN;  // on_deactivate
};

class LocalShards {
 public:
  enum class State : std::uint8_t {
    none,       // another's, or no one's
    taking,     // given to this node; the store has been asked
    active,     // ours
    releasing,  // ours, and closed: it is given back once nothing lives in it
  };
  class Listener {
   public:
    /// The shard's entities must leave.
    virtual void on_closed(ShardId shard) = 0;
    /// Entities that have not left may stay for a while.
    virtual void on_reopened(ShardId shard) = 0;
    /// Does anything that runs in the shard wait for a call that does not run there? Answered by on_waits_seen.
    virtual void look_for_waits(ShardId shard) = 0;
    /// Executions in the shard that are overdue must end.
    virtual void end_running(ShardId shard, const Overdue& overdue) = 0;

   protected:
    ~Listener() = default;
  };

  explicit LocalShards(Listener& listener) : listener_(listener) {}

  [[nodiscard]] State state_of(ShardId shard) const {
    const auto found = shards_.find(shard);
    return found == shards_.end() ? State::none : found->second.state;
  }
  /// 0: it is not ours.
  [[nodiscard]] Epoch epoch_of(ShardId shard) const {
    const auto found = shards_.find(shard);
    return found == shards_.end() ? Epoch{} : found->second.epoch;
  }
  [[nodiscard]] std::vector<ShardId> list() const { return list_shards(shards_); }

  /// `is_orphaned`: its owner before this node has died.
  void on_given(ShardId shard, bool is_orphaned) {
    shards_[shard].state = State::taking;
    shards_[shard].is_orphaned = is_orphaned;
  }
  [[nodiscard]] bool is_orphaned(ShardId shard) const {
    const auto found = shards_.find(shard);
    return found != shards_.end() && found->second.is_orphaned;
  }
  /// False: it is not being taken.
  bool on_taken(ShardId shard, Epoch epoch);
  /// Given to another node without our release.
  void on_lost(ShardId shard) { forget(shard); }
  /// `announced_ns`: since when the grace counts; not after `now_ns`.
  void on_asked_back(ShardId shard, std::int64_t now_ns, std::int64_t announced_ns, std::int64_t grace_ns);
  /// Closed, or open for a while.
  [[nodiscard]] bool is_asked_back(ShardId shard) const { return releases_.contains(shard); }
  /// True if the shard is closed and may be forgotten, as nothing lives in it.
  bool try_release(ShardId shard, bool is_empty);

  /// True once for each batch that has a change in the shard: the first time.
  bool note_change(ShardId shard, CommitNumber batch);

  void on_time(std::int64_t now_ns);
  /// Something that runs in the shard waits for a call that does not run there.
  void on_waits_seen(ShardId shard, std::int64_t now_ns);
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return turns_.empty() ? std::nullopt : std::optional(turns_.begin()->first);
  }

 private:
  struct Shard {
    State state = State::none;
    bool is_orphaned = false;
    Epoch epoch;
    CommitNumber changed_in{0};  // the newest batch with a change in it
  };
  /// State of a shard that was asked back: it is closed and open by turns.
  struct Release {
    std::int64_t turn_ns = 0;    // when it is looked at again
    std::int64_t window_ns = 0;  // how long it stays closed
    std::int64_t grace_ns = 0;
    std::int64_t end_ns = 0;      // of the grace
    std::int64_t all_end_ns = 0;  // then also what has run for less
    bool was_announced = false;   // before it was asked back
    bool has_ended_old = false;   // the grace of what was announced is over
    [[nodiscard]] std::int64_t closed_ns() const;
  };
  void forget(ShardId shard);
  void set_turn(ShardId shard, Release& release, std::int64_t turn_ns);
  void close(ShardId shard, std::int64_t now_ns);
  void reopen(ShardId shard, std::int64_t now_ns);
  void turn(ShardId shard, std::int64_t now_ns);

  Listener& listener_;
  ByShard<Shard> shards_;
  std::map<ShardId, Release> releases_;
  std::set<std::pair<std::int64_t, ShardId>> turns_;  // of `releases_`, by time
};

}  // namespace epic::kernel
