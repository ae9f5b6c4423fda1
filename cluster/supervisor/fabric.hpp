#pragma once
// Fabric: the parts of a supervisor, wired. It decides when the fabric is ready, when it stops, and how it ends.
//
// It lives in the world that its Host gives it, and has no other: no threads, sockets, files or clocks of its own.
//
// Not here: what each part does; signals and the control socket (fabric_runner.hpp); what must be there before a fabric
// runs, such as the project's lock (supervisor.cpp).

#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/control/control_reply.hpp"
#include "cluster/coordination/local_coordination.hpp"
#include "cluster/supervisor/control_verbs.hpp"
#include "cluster/supervisor/departures.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "cluster/supervisor/machines.hpp"
#include "cluster/supervisor/modules.hpp"
#include "cluster/supervisor/node_requests.hpp"
#include "cluster/supervisor/quarantine_runner.hpp"
#include "cluster/supervisor/restart_runner.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "cluster/supervisor/setup_runner.hpp"
#include "cluster/supervisor/shard_orders.hpp"
#include "cluster/supervisor/shard_table.hpp"
#include "cluster/supervisor/takeover.hpp"

namespace epic::cluster {

struct FabricEnd {
  int exit_code = kExitOk;
  std::optional<SupervisorError> error = {};  // the reason, unless it is kExitOk
};

/// What a fabric runs on and with; the references outlive it.
struct FabricParts {
  Host& host;
  const SupervisorOptions& options;
  const RunPaths& paths;
  std::uint64_t run;  // how often it was started
  LogHub& logs;
  Modules& modules;
  ModuleCopy module;                  // to start with
  GrantWriter::OpenStore open_store;  // empty: nodes keep their stores to themselves
  Machines* machines = nullptr;       // null: nodes are this supervisor's own
  Takeover takeover = {};             // with `machines`
  /// With `machines`: a module that the supervisor at `address` has.
  std::function<void(const protocol::ModuleOrigin& origin, const std::string& address,
                     std::move_only_function<void(const std::expected<ModuleCopy, SupervisorError>&)> done)>
      fetch_module = {};
  /// With `machines`: those that were evicted and wait to be let in, and why.
  std::function<std::map<std::string, std::string>()> list_waiting = {};
  /// With `machines`: the others and this one, for `epic ps`.
  std::function<std::vector<protocol::control::Ps::Machine>()> list_machines = {};
  /// With `machines`: this machine's lease, if it cannot be renewed.
  std::function<std::optional<protocol::control::UnrenewedLease>()> find_unrenewed = {};
  /// All nodes have ended, and every request is answered. Called once, as the last thing; it must not destroy the
  /// fabric.
  std::function<void(const FabricEnd&)> on_end;
};

/// Single-threaded.
class Fabric {
 public:
  explicit Fabric(FabricParts parts);

  void start();
  void handle(const ControlRequest& request, ControlReply reply) { verbs_.handle(request, std::move(reply)); }
  /// A reader of long answers has caught up.
  void on_room() { requests_.on_room(); }
  /// In order, within the grace. `why`, as in "Stopping: requested by SIGTERM."
  void stop(const std::string& why);
  /// At once, without nodes that cannot be reached; after stop().
  void kill(const std::string& why);
  /// The nodes of this machine have left. The others, and their shards, are the next leader's.
  void step_down();
  /// Another supervisor leads, or will: ends without the nodes, which that one goes on with. With `machines`.
  void depose(SupervisorError error);

  [[nodiscard]] bool is_stopping() const { return is_stopping_; }
  /// Of the nodes on that machine.
  [[nodiscard]] std::size_t count_shards(const std::string& machine) const;
  /// For `epic events`.
  void note_eviction(const std::string& machine, const std::string& why);

 private:
  void open_machines();
  void on_machine_arrived(const protocol::Hello& machine);
  void on_machine_gone(const std::string& machine);
  void on_machine_leaves(const std::string& machine);
  void dismiss_left();
  void go_on();
  void note();
  void start_missing();
  void tick();
  void on_member_change(const CoordinationChange& change);
  void on_node_message(kernel::NodeId node, const protocol::FromNode& message);
  void on_node_ready(kernel::NodeId node);
  void on_node_exit(kernel::NodeId node, const std::optional<Crash>& crash);
  void on_node_ended(kernel::NodeId node);
  void open_shards();
  void advance();
  void on_directory_gone();
  void on_grants_delayed(const std::string& why);
  void on_deposed(const std::string& why);
  void on_store_damaged(SupervisorError error);
  void check_ready();
  void on_setup_ended();
  [[nodiscard]] std::expected<void, SupervisorError> check_may_change() const;
  [[nodiscard]] std::expected<void, SupervisorError> drain(kernel::NodeId node);
  [[nodiscard]] std::expected<void, SupervisorError> scale(std::uint16_t node_count);
  [[nodiscard]] std::expected<void, SupervisorError> restart(const protocol::control::Restart::Request& request,
                                                             ControlReply reply);
  [[nodiscard]] std::expected<void, SupervisorError> begin_restart(RestartWay way, std::optional<ModuleCopy> module,
                                                                   ControlReply reply);
  void tell_slow_stop(const NodeSlot& slot);
  void fail(SupervisorError error, KillCause::Reason reason);
  void finish();

  void say(protocol::LogLevel level, std::string message);
  void tell(SupervisorEventKind kind, std::string text) const;

  Host& host_;
  const SupervisorOptions& options_;
  const RunPaths& paths_;
  LogHub& logs_;
  std::function<void(const FabricEnd&)> on_end_;
  Machines* machines_;
  decltype(FabricParts::fetch_module) fetch_module_;
  Takeover takeover_;
  Host::TimePoint begun_at_ = host_.now();
  Host::TimePoint last_tick_ = begun_at_;
  LocalCoordination coordination_{[this] { return host_.now(); },
                                  [this](Host::Task task) { host_.post(std::move(task)); }};
  ShardTable shards_;
  FabricTrail trail_;
  ShardOrders orders_;
  SetupRunner setup_;
  Fleet fleet_;
  NodeRequests requests_;
  QuarantineRunner quarantine_;
  Departures departures_;
  RestartRunner restart_;
  ControlVerbs verbs_;
  Timer tick_{host_};
  Timer end_timer_{host_};

  bool is_ready_ = false;  // the fabric has been ready once
  bool is_stopping_ = false;
  std::optional<Host::TimePoint> slow_stop_at_;  // then an orderly stop is reported as slow
  bool is_cut_short_ = false;                    // by kill()
  bool is_finished_ = false;
  std::vector<std::string> unsaved_;  // nodes that ended before they had saved everything, when all were to stop
  bool is_store_damaged_ = false;
  std::vector<protocol::Hello> missing_;  // machines that are to have more nodes once shards have owners
  std::set<std::string> leaving_;         // machines
  bool is_going_on_ = false;              // what a former leader has begun is still to be ended
  bool is_noted_ = false;                 // all that the next leader has to know
  FabricEnd end_;                         // so far
};

}  // namespace epic::cluster
