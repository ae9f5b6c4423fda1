#pragma once
// Restart: the steps from a fabric whose nodes run one copy of the module to one whose nodes run the next.
//
// Rolling: an extra node is started with the new copy. When it is ready, the nodes are drained, stopped and restarted
// one by one, and the extra one is drained last. So there are never fewer nodes than usual, and it works for a fabric
// of one node. While one is drained, a process for the next one is spawned ahead; it is not a node yet. Until the extra
// node is ready, everything can be undone: if it cannot start, it is removed, and the fabric is as it was. After that
// there is no way back, because shards that the new copy has owned do not return to the old one; a node that crashes
// restarts with the new copy, and counts as done. If all others go with their machines, the extra one stays.
//
// At once: all nodes stop, then all start with the new copy; if one cannot, all are started with the old one again.
//
// Looks at the nodes and gives orders; no clock, no processes. The caller carries out the orders, and calls step()
// after each change.
//
// Not here: where shards go meanwhile (shard_table.hpp), the request and its answers (restart_runner.hpp).

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cluster/supervisor/modules.hpp"
#include "kernel/ids.hpp"

namespace epic::cluster {

enum class RestartWay : std::uint8_t { rolling, at_once };

class Restart {
 public:
  /// A node as step() needs to see it.
  struct Node {
    kernel::NodeId id;
    Generation generation;  // of its process, or the last one
    bool has_process = false;
    bool is_ready = false;
    bool is_wanted = false;
    bool has_machine = true;  // false: it goes, or has gone, with its machine, and is not restarted elsewhere
  };

  struct Order {
    enum class Kind : std::uint8_t {
      try_new,    // start it with the new copy, as the first node
      prepare,    // spawn the process that it will have, which waits
      drain,      // its shards move to others, then it stops
      stop,       // at once, with whatever it owns
      begin_new,  // all have stopped: processes started now load the new copy
      begin_old,  // … the old copy again
      start,
      forget,  // the extra node no longer belongs to the fabric
      tell_ready,
      tell_stopped,  // nothing to do, only to report
    };
    Kind kind;
    kernel::NodeId node;  // 0 if it is about all
    bool operator==(const Order&) const = default;
  };

  /// `nodes` are the members of the fabric; `extra` is a number that no node has, for a rolling restart.
  Restart(RestartWay way, Generation next, std::vector<kernel::NodeId> nodes, kernel::NodeId extra);

  /// A rolling one that a former leader has begun: some node runs the new copy, or is to, and there is no extra one.
  [[nodiscard]] static Restart go_on(Generation next, std::vector<kernel::NodeId> nodes);

  /// The next orders; `nodes` are all there are.
  [[nodiscard]] std::vector<Order> step(std::span<const Node> nodes);
  /// The new copy could not be started. False if it is too late to go back: then the caller has to deal with it.
  [[nodiscard]] bool try_give_up();

  [[nodiscard]] bool is_done() const { return phase_ == Phase::done; }
  [[nodiscard]] bool is_given_up() const { return is_given_up_; }
  /// Rolling, and the old copy's nodes will all end: there is no way back.
  [[nodiscard]] bool is_renewing() const { return phase_ == Phase::renewing; }
  /// True while shards must not be given to the running nodes.
  [[nodiscard]] bool is_stopping() const { return phase_ == Phase::stopping; }
  [[nodiscard]] RestartWay way() const { return way_; }
  [[nodiscard]] Generation next() const { return next_; }
  /// How many of the members run the new copy.
  [[nodiscard]] std::size_t renewed() const { return renewed_; }
  [[nodiscard]] std::size_t count() const { return nodes_.size(); }
  [[nodiscard]] const std::vector<kernel::NodeId>& nodes() const { return nodes_; }

 private:
  enum class Phase : std::uint8_t {
    begin,
    trying,    // rolling: the extra node starts
    renewing,  // rolling: one node after the other
    leaving,   // rolling: the extra node ends
    stopping,  // at once
    starting,  // at once
    done,
  };

  void leave_out_lost(std::span<const Node> nodes);
  void renew(std::span<const Node> nodes, std::vector<Order>& orders);
  void stop_all(std::vector<Order>& orders);
  void start_all(std::vector<Order>& orders);

  RestartWay way_;
  Generation next_;
  std::vector<kernel::NodeId> nodes_;
  kernel::NodeId extra_;  // 0: none
  Phase phase_ = Phase::begin;
  bool is_given_up_ = false;
  std::size_t renewed_ = 0;
};

}  // namespace epic::cluster
