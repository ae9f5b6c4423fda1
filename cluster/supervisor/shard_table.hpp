#pragma once
// ShardTable: who owns which shard, who will, and the map that everybody goes by.
//
// Shards without a living owner are given away at once. Shards that could lie better are moved later, one at a time,
// after a quiet spell: the owner is asked to release the shard, and only its answer makes a map that names the next
// owner, who then takes the shard in the store. So a move never leaves two owners, and one shard at most is without an
// active one.
//
// Events in, actions out; no clock, no sockets. The caller carries out take_actions() after each event.
//
// Invariant: every map has a larger version than the one before, and names living members only.
// Not here:  which node should own what (placement/), how the fabric knows who lives (coordination/).

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "kernel/messages.hpp"
#include "wire/supervision.hpp"

namespace epic::cluster {

class ShardTable {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// To every member, before anything else is said to it.
  struct Publish {
    kernel::ShardMap map;
  };
  struct AskRelease {
    kernel::NodeId owner;
    wire::Release release;
  };
  using Action = std::variant<Publish, AskRelease>;

  ShardTable(std::uint16_t shard_count, std::chrono::nanoseconds quiet);

  /// Until now members only gathered; from here on shards are given to them.
  void open(TimePoint now);

  void on_joined(const kernel::ShardMap::Member& member, TimePoint now);
  /// The process has ended: nothing of it can act any more.
  void on_left(kernel::NodeId node, TimePoint now);
  void on_taken(kernel::NodeId node, const wire::Taken& taken, TimePoint now);
  void on_released(kernel::NodeId node, const wire::Released& released, TimePoint now);
  /// The member is to own nothing: its shards move to the others one after the other, without waiting for quiet.
  /// Forgotten when it leaves.
  void drain(kernel::NodeId node) { draining_.insert(node); }
  void stop_draining(kernel::NodeId node) { draining_.erase(node); }
  /// Begins a move when one is due.
  void on_tick(TimePoint now);

  [[nodiscard]] std::vector<Action> take_actions();

  /// The newest map that was published.
  [[nodiscard]] const kernel::ShardMap& map() const { return published_; }
  /// True when there are members, and each shard is in its owner's hands.
  [[nodiscard]] bool is_settled() const;
  /// True when no shard could lie better either.
  [[nodiscard]] bool is_level() const;
  /// Who has taken the shard; empty while it is on its way.
  [[nodiscard]] std::optional<kernel::NodeId> find_active_owner(kernel::ShardId shard) const;
  [[nodiscard]] std::size_t count_owned(kernel::NodeId node) const;

 private:
  struct Move {
    kernel::ShardId shard;
    kernel::NodeId from;
    kernel::MapVersion asked_at;
  };

  [[nodiscard]] std::vector<kernel::NodeId> list_candidates() const;
  [[nodiscard]] std::vector<kernel::NodeId> place_ownerless() const;
  void set_owners(const std::vector<kernel::NodeId>& owners);
  void publish();

  std::chrono::nanoseconds quiet_;
  bool is_open_ = false;
  kernel::ShardMap map_;        // a moving shard still with the owner that is asked to release it
  kernel::ShardMap published_;  // a moving shard with nobody, so that a map that names an owner always means: take it
  std::vector<kernel::Epoch> taken_;  // by shard; epoch 0: the owner has not taken it (yet)
  std::optional<Move> move_;
  std::set<kernel::NodeId> draining_;
  TimePoint last_change_{};
  std::vector<Action> actions_;
};

}  // namespace epic::cluster
