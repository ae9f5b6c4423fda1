#pragma once
// RestartRunner: carries out a restart on the fleet, and reports to the client that requested it.
//
// At most one is in progress. It continues if the client leaves.
//
// All nodes of a rolling restart share one grace. When the drain of one takes longer than kAnnounceAfter, calls run
// there that do not end by themselves, or an on_deactivate that takes long, and so may others on the other nodes. So
// those are told that their turn will come, and what has run there since then need not be waited for again. The extra
// node is not told, since it is to work meanwhile; but the same grace counts for it.
//
// Not here: the order of the steps (restart.hpp).

#include <boost/json/object.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <optional>

#include "cluster/control/control_reply.hpp"
#include "cluster/supervisor/departures.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/modules.hpp"
#include "cluster/supervisor/restart.hpp"
#include "cluster/supervisor/shard_table.hpp"
#include "protocol/control_fabric.hpp"

namespace epic::cluster {

/// What a restart acts on; all of it outlives the runner.
struct RestartParts {
  Host& host;
  const SupervisorOptions& options;
  Fleet& fleet;
  ShardTable& shards;
  Modules& modules;
  Departures& departures;
  std::function<void(std::string)> say;
};

/// Single-threaded.
class RestartRunner {
 public:
  static constexpr std::chrono::milliseconds kAnnounceAfter{500};
  static constexpr std::chrono::milliseconds kProgressEvery{1000};

  explicit RestartRunner(RestartParts parts) : parts_(std::move(parts)) {}

  /// Copies the current module and starts. On an error nothing has changed, and the reply is still unanswered.
  /// With `next`, which gets a generation, or with a copy of the project's module as it is now.
  [[nodiscard]] std::expected<void, SupervisorError> begin(RestartWay way, std::optional<ModuleCopy> next,
                                                           ControlReply reply);
  /// Some nodes run a former generation of the module, because a former leader has not ended its restart.
  void go_on();
  /// Called after each change of the fleet.
  void advance();
  /// Progress for the client. A first node that dies while it starts is not reported here, but as the restart's
  /// failure.
  void tell_death(const NodeSlot& slot) const;
  /// A node cannot start. False if that has nothing to do with the new module.
  [[nodiscard]] bool try_give_up(SupervisorError error);
  /// The fabric stops.
  void abandon(const std::optional<SupervisorError>& error);

  [[nodiscard]] bool is_under_way() const { return run_.has_value(); }
  /// The generation that nodes are to have; 0: no restart is under way.
  [[nodiscard]] Generation next() const { return run_ ? run_->next.generation : Generation{0}; }
  /// It stops and starts again.
  [[nodiscard]] bool includes(kernel::NodeId node) const;
  /// False while nodes exist only to be stopped.
  [[nodiscard]] bool may_open_shards() const { return !run_ || !run_->plan.is_stopping(); }

 private:
  struct Run {
    Restart plan;
    ModuleCopy former;
    ModuleCopy next;
    ControlReply reply;
    std::optional<SupervisorError> error;
    std::chrono::steady_clock::time_point begun_at;
    std::chrono::steady_clock::time_point told_at = begun_at;  // of what it waits for
    /// When the nodes with the old copy were told that they will be drained: their grace began then.
    std::optional<std::chrono::steady_clock::time_point> announced_at = {};
  };

  [[nodiscard]] std::vector<Restart::Node> list_nodes() const;
  [[nodiscard]] std::vector<kernel::NodeId> list_wanted() const;
  [[nodiscard]] kernel::NodeId find_free_above(kernel::NodeId node) const;
  [[nodiscard]] std::optional<SupervisorError> find_obstacle() const;
  void announce();
  void tell_waiting();
  void carry_out(const Restart::Order& order);
  void say(const protocol::control::Restart::Answer& event) const;
  void tell(kernel::NodeId node, std::string_view event, const ModuleCopy& module) const;
  void finish();

  RestartParts parts_;
  std::optional<Run> run_;
};

}  // namespace epic::cluster
