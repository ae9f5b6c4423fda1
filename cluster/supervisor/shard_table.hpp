#pragma once
// ShardTable: who owns which shard, who will, and the map that everyone follows.
//
// Shards without a live owner are granted at once. Shards that should be elsewhere are moved later: each member gives
// or gets one at a time. They wait for a quiet period after a member has left or come back, but not after a new one has
// joined. Those of a drained member move without waiting, a few at a time. When one of those is slow,
// because calls run in its shard, the others begin as well: the grace of running calls passes once. A move asks the
// owner to release the shard, and only its answer makes a map that names the next owner, which then takes the shard in
// the store. So a move never leaves two owners.
//
// Members may run different generations of the module. Shards go to the newest running generation, and one that a
// generation has owned never returns to an older one, whose classes would drop fields that they do not know; instead it
// waits without an owner.
//
// Events in, actions out; no clock, no sockets. The caller carries out take_actions() after each event.
//
// Invariant: every map has a larger version than the one before, and names live members only.
// Invariant: the generation of a shard's owner never decreases.
// Not here:  which node should own what (placement/), how the fabric knows who is alive (coordination/).

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/supervisor/modules.hpp"
#include "kernel/messages.hpp"
#include "protocol/supervision.hpp"

namespace epic::cluster {

class ShardTable {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// To every member, before any other message to it.
  struct Publish {
    kernel::ShardMap map;
  };
  struct AskRelease {
    kernel::NodeId owner;
    protocol::Release release;
  };
  using Action = std::variant<Publish, AskRelease>;

  /// How many shards of a drained member may move at once. Shards that move together share one write of grants, one map
  /// and one take, so they take about as long as one: ten hand-overs between threads, of 0.3 ms each on an idle
  /// machine, 1.5 ms on a busy one.
  static constexpr std::size_t kDrainedAtOnceMax = 4;
  /// A drain's move that takes longer waits for running calls, and the others need not wait for it: all begin.
  static constexpr std::chrono::milliseconds kSlowMove{50};
  /// A shard whose owner has died stays an orphan when it moves in order within this time: entities that the owners
  /// since have not had in memory are still to hear of it. Long, because most entities are called at least hourly;
  /// bounded, because those that are in memory hear of it again at each move.
  static constexpr std::chrono::hours kDeathKnownFor{1};

  /// What a former leader has left: who has which shard, and who is to give one back.
  struct Inherited {
    struct Move {
      kernel::ShardId shard;
      kernel::MapVersion asked_at;
    };
    std::vector<kernel::NodeId> owners;  // by shard, of those that live; 0: none
    std::vector<kernel::Epoch> taken;    // by shard; 0: its owner has not said so
    std::vector<Move> moves;
    /// That shards without an owner may have had: none older gets them, as it would drop what it does not know.
    Generation generation = {};
  };

  /// Maps are numbered after `before`.
  ShardTable(std::uint32_t shard_count, std::chrono::nanoseconds quiet, kernel::MapVersion before = {});

  /// Before open(). Shards stay where they are; all of them are granted anew.
  void inherit(Inherited inherited);

  /// Until now members only gathered; from here on they are granted shards.
  void open(TimePoint now);
  /// Takes every shard from its owner, without a map: all of them are stopping. Members gather again until open().
  void close();

  void on_joined(const kernel::ShardMap::Member& member, Generation generation, TimePoint now);
  /// The node has ended without giving back its shards, which are marked as orphaned. on_left() follows, and moves
  /// them.
  void on_death(kernel::NodeId node, TimePoint now);
  /// The last owners of these, before the table was made, have died.
  void note_orphans(const std::vector<kernel::ShardId>& shards, TimePoint now);
  /// The orphaned shards that no node has taken since.
  [[nodiscard]] std::vector<kernel::ShardId> list_orphans() const;
  /// The node's process has ended and can no longer act: its shards move to others.
  void on_left(kernel::NodeId node, TimePoint now);
  void on_taken(kernel::NodeId node, const protocol::Taken& taken, TimePoint now);
  void on_released(kernel::NodeId node, const protocol::Released& released, TimePoint now);
  /// The member is to own nothing: its shards move to the others, without waiting for quiet. Forgotten when it leaves.
  /// `announced`: when the grace of its running calls began.
  void drain(kernel::NodeId node, TimePoint announced) {
    draining_[node] = announced;
    misplaced_.reset();
  }
  void stop_draining(kernel::NodeId node) {
    draining_.erase(node);
    misplaced_.reset();
  }
  /// Starts moves that are due.
  void on_tick(TimePoint now);

  [[nodiscard]] std::vector<Action> take_actions();

  [[nodiscard]] bool is_open() const { return is_open_; }
  /// Once the table is open, the map last published.
  [[nodiscard]] const kernel::ShardMap& map() const { return map_; }
  /// True if there are members, and each shard is with its owner.
  [[nodiscard]] bool is_settled() const;
  /// True if, in addition, no shard should move.
  [[nodiscard]] bool is_level() const;
  /// The node that has taken the shard; empty while it is moving.
  [[nodiscard]] std::optional<kernel::NodeId> find_active_owner(kernel::ShardId shard) const;
  [[nodiscard]] std::size_t count_owned(kernel::NodeId node) const;
  /// A shard was asked back at `time` or before, and has not been released.
  [[nodiscard]] bool has_move_since(TimePoint time) const;

 private:
  struct Orphaned {
    TimePoint at;                 // an owner died
    bool is_taken_since = false;  // by another
  };
  struct Move {
    kernel::NodeId from;
    kernel::NodeId to;  // as it was when the shard was asked back
    kernel::MapVersion asked_at;
    TimePoint begun;
  };
  struct Ends {
    kernel::NodeId from;
    kernel::NodeId to;
  };
  struct Misplaced {
    kernel::ShardId shard;
    kernel::NodeId wanted;
  };

  [[nodiscard]] std::vector<kernel::NodeId> list_candidates() const;
  [[nodiscard]] bool is_of_one_generation() const;
  [[nodiscard]] std::vector<kernel::NodeId> wanted_owners() const;
  [[nodiscard]] std::vector<kernel::NodeId> place_without(const std::map<kernel::NodeId, TimePoint>& leaving) const;
  [[nodiscard]] std::size_t count_on_their_way() const;
  void balance(TimePoint now);
  /// The shards that should be elsewhere, by number: looked for once after each change.
  [[nodiscard]] const std::vector<Misplaced>& misplaced() const;
  void ask_release(kernel::NodeId owner, std::vector<kernel::ShardId> shards, TimePoint now);
  void count_all();
  void set_taken(kernel::ShardId shard, kernel::Epoch epoch);
  void set_owner(kernel::ShardId shard, kernel::NodeId node);
  void set_owners(const std::vector<kernel::NodeId>& owners);
  void publish();

  std::chrono::nanoseconds quiet_;
  bool is_open_ = false;
  bool has_inherited_ = false;
  kernel::ShardMap map_;                // a moving shard still with the owner that was asked to release it
  std::vector<kernel::Epoch> taken_;    // by shard; epoch 0: the owner has not taken it (yet)
  std::vector<Generation> newest_;      // by shard: the newest generation that it was granted to
  std::vector<kernel::NodeId> former_;  // by shard: owners when the table was closed
  std::map<kernel::ShardId, Orphaned> orphaned_;
  std::map<kernel::ShardId, Move> moves_;
  std::map<kernel::ShardId, Ends> landing_;                  // released by the one and not taken yet by the other
  std::set<std::pair<kernel::NodeId, std::string>> known_;   // that have been members, with their machines
  std::map<kernel::NodeId, Generation> generations_;         // of the members
  std::map<kernel::NodeId, TimePoint> draining_;             // since when
  std::vector<std::uint32_t> owned_;                         // by node id: how many shards it owns
  std::size_t untaken_ = 0;                                  // shards that their owners have not taken
  mutable std::optional<std::vector<Misplaced>> misplaced_;  // empty: something has changed since
  TimePoint last_change_{};
  std::vector<Action> actions_;
};

}  // namespace epic::cluster
