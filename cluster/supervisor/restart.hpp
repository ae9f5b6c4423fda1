#pragma once
// Restart: the steps from a fabric whose nodes run one copy of the module to one whose nodes run the next.
//
// Rolling: one node more than usual is started with the new copy. When it is ready, the nodes are drained, stopped and
// started again one after the other, and the extra one is drained last; so there are never fewer nodes than usual, and
// a fabric of one node can do it as well. Until the extra node is ready, nothing has happened that could not be undone:
// when it cannot start, it goes, and the fabric is as it was. After that there is no way back, as shards that the new
// copy has owned do not go to the old one again; a node that crashes comes back with the new copy, and is done.
//
// At once: all nodes stop, then all start with the new copy; if one cannot, all are started with the old one again.
//
// Looks at the nodes, gives orders; no clock, no processes. Whoever carries the orders out calls step() after each
// change.
// Not here: where shards go meanwhile (shard_table.hpp), who asked and is told (restart_runner.hpp).

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cluster/supervisor/module_copies.hpp"
#include "kernel/ids.hpp"

namespace epic::cluster {

enum class RestartWay : std::uint8_t { rolling, at_once };

class Restart {
 public:
  /// A node as step() has to see it.
  struct Node {
    kernel::NodeId id;
    Generation generation;  // of its process, or its last one
    bool has_process = false;
    bool is_ready = false;
    bool is_wanted = false;
  };

  struct Order {
    enum class Kind : std::uint8_t {
      try_new,    // start it with the new copy, as the first of all
      drain,      // its shards go to others, then it stops
      stop,       // at once, with whatever it owns
      begin_new,  // all have stopped: what starts now loads the new copy
      begin_old,  // … the old copy again
      start,
      forget,  // the extra node has no part in the fabric any more
      tell_ready,
      tell_stopped,  // nothing to do, only to be said
    };
    Kind kind;
    kernel::NodeId node;  // 0 where it is about all
    bool operator==(const Order&) const = default;
  };

  /// `nodes` are the members of the fabric; `extra` is a slot without a process, for a rolling restart.
  Restart(RestartWay way, Generation next, std::vector<kernel::NodeId> nodes, kernel::NodeId extra);

  /// What is to be done now; `nodes` are all there are.
  [[nodiscard]] std::vector<Order> step(std::span<const Node> nodes);
  /// The new copy could not be started. False when it is too late to go back: then this is not for us.
  [[nodiscard]] bool try_give_up();

  [[nodiscard]] bool is_done() const { return phase_ == Phase::done; }
  [[nodiscard]] bool is_given_up() const { return is_given_up_; }
  /// True while shards must not be given to the nodes that are there.
  [[nodiscard]] bool is_stopping() const { return phase_ == Phase::stopping; }
  [[nodiscard]] RestartWay way() const { return way_; }
  [[nodiscard]] Generation next() const { return next_; }
  /// How many of the members run the new copy by now.
  [[nodiscard]] std::size_t renewed() const { return renewed_; }
  [[nodiscard]] std::size_t count() const { return nodes_.size(); }

 private:
  enum class Phase : std::uint8_t {
    begin,
    trying,    // rolling: the extra node starts
    renewing,  // rolling: one node after the other
    leaving,   // rolling: the extra node goes
    stopping,  // at once
    starting,  // at once
    done,
  };

  void renew(std::span<const Node> nodes, std::vector<Order>& orders);
  void stop_all(std::vector<Order>& orders);
  void start_all(std::vector<Order>& orders);

  RestartWay way_;
  Generation next_;
  std::vector<kernel::NodeId> nodes_;
  kernel::NodeId extra_;
  Phase phase_ = Phase::begin;
  bool is_given_up_ = false;
  std::size_t renewed_ = 0;
};

}  // namespace epic::cluster
