#pragma once
// Fleet: the nodes' processes, kept alive.
//
// Each node has a numbered slot. The fleet spawns a process for it, configures it, waits until it is ready, listens to
// its heartbeats, kills it when it is silent or a turn of it never ends, and starts it again with a growing delay.
// Every process gets an incarnation of its own, a random number.
//
// All processes load the same copy of the module. A newer one is first tried on one node; when that is ready, whatever
// is started from then on loads it, and nothing goes back.
//
// A spare process has been spawned ahead and not configured: it knows neither its module nor its store, and waits. The
// node's next start takes it, which saves half of the time until the node is ready. One that ends is forgotten.
//
// A node is a member, in coordination, from Ready until its process has ended; nothing sooner, whatever it looks like.
//
// Not here: shards (shard_table.hpp), what requests mean (control_verbs.hpp).

#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/coordination/local_coordination.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "cluster/supervisor/machines.hpp"
#include "cluster/supervisor/modules.hpp"
#include "cluster/supervisor/node_process.hpp"
#include "cluster/supervisor/node_slot.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "cluster/supervisor/supervisor.hpp"

namespace epic::cluster {

/// What happens to a node's line in listings when it has ended.
enum class Afterwards : std::uint8_t { listed, forgotten };

/// Prefix of the members' keys in coordination, followed by the node's number; the value is its incarnation.
inline constexpr std::string_view kMemberPrefix = "members/";

/// Single-threaded.
class Fleet {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Events {
    std::function<void(kernel::NodeId, const protocol::FromNode&)>
        on_message;                                // except Ready, Heartbeat and StartFailed
    std::function<void(kernel::NodeId)> on_ready;  // it is a member
    std::function<void(kernel::NodeId, const std::optional<Crash>&)> on_exit;  // its process is gone …
    std::function<void(kernel::NodeId)> on_ended;                              // … and it is a member no more
    /// Before `mark_started`, or with a module on trial, if retrying would not help.
    std::function<void(kernel::NodeId, SupervisorError)> on_cannot_start;
    /// No node can go on, says one.
    std::function<void(SupervisorError)> on_cannot_go_on;
  };

  static constexpr int kFirstStartAttemptsMax = 3;
  static constexpr std::size_t kLastLinesMax = 10;
  /// For a node to end by itself before it is killed: its turn does not end, and it is to report what it is doing; or
  /// it has closed its connection.
  static constexpr std::chrono::milliseconds kReportTimeout{500};

  /// `machines`: null if the supervisor is alone, and then the nodes are its own; otherwise they come with machines.
  Fleet(Host& host, const SupervisorOptions& options, const RunPaths& paths, std::string fabric_id, ModuleCopy module,
        LocalCoordination& coordination, LogHub& logs, Events events, Machines* machines = nullptr);

  void start_all();
  /// Starts `count` nodes on a machine that has arrived.
  void start_on(const protocol::Hello& machine, std::size_t count);
  /// Takes over a node that a former leader has started there.
  void adopt(const protocol::Hello& machine, const protocol::LiveNode& live);
  /// A node that was drained there, under a former leader: it is listed, and not started.
  void list_drained(const protocol::Hello& machine, kernel::NodeId node);
  /// The machine has left or is gone: no node is started there any more.
  void forget_machine(const std::string& machine);
  [[nodiscard]] std::vector<kernel::NodeId> list_on(const std::string& machine) const;
  /// The fabric has been ready once: from here on, whatever fails is restarted, without a limit.
  void mark_started() { is_started_ = true; }
  /// Everything has stopped: nodes now load `module`, and are started as if for the first time.
  void begin_again(ModuleCopy module);
  /// Asks every node to stop in order, and restarts none.
  void stop_all(std::chrono::nanoseconds grace);
  void kill_all(KillCause::Reason reason);
  /// The processes are another supervisor's from now on: nothing is started any more.
  void abandon();

  /// False if its machine is leaving, has left or is gone.
  [[nodiscard]] bool has_machine(const NodeSlot& slot) const {
    return machines_ == nullptr || machines_->contains(slot.machine);
  }

  /// For an existing slot. The error is a sentence: it has no process now.
  [[nodiscard]] std::expected<pid_t, std::string> signal(kernel::NodeId node, int number);
  /// Its process, if it is ready, continues until stop_unwanted(); no other is started.
  void unwant(kernel::NodeId node, Afterwards afterwards);
  /// Asks an unwanted node to stop in order.
  void stop_unwanted(kernel::NodeId node, std::chrono::nanoseconds grace);
  /// Creates the slot if it is new, and starts a process if it has none. The slots below it must exist.
  void want(kernel::NodeId node);
  /// Spawns a spare process for the node's next start, unless it has one.
  void prepare(kernel::NodeId node);
  void drop_spares();
  /// Like want(), for a slot without a process: it loads `module`, and once it is ready, all others will.
  void try_module(kernel::NodeId node, ModuleCopy module);
  /// If it has just died, it waits no longer than after a first failure.
  void forget_failures(kernel::NodeId node) { at(node).backoff.forget(); }

  void send(kernel::NodeId node, const protocol::ToNode& message);
  void share(kernel::NodeId node, const SharedMessage& message);
  /// Checks for silent nodes and endless turns.
  void on_tick(TimePoint now);

  [[nodiscard]] const std::deque<NodeSlot>& slots() const { return slots_; }
  [[nodiscard]] const NodeSlot* find(kernel::NodeId node) const;
  /// The module that processes started now will load.
  [[nodiscard]] const ModuleCopy& module() const { return module_; }
  [[nodiscard]] std::vector<kernel::NodeId> list_ready() const;
  [[nodiscard]] bool is_any_starting() const;
  [[nodiscard]] bool is_gone() const;
  [[nodiscard]] bool is_any_reachable() const;
  /// A type, or "Type/Key", by the stored name, for any of the type's names; unknown ones unchanged.
  [[nodiscard]] std::string stored_name(const std::string& type_or_entity) const;
  /// That of the store, as far as nodes have said.
  [[nodiscard]] const kernel::Placement& placement() const { return placement_; }
  /// Identifies this run of the fabric to peers and clients.
  [[nodiscard]] const std::string& fabric_id() const { return fabric_id_; }

 private:
  [[nodiscard]] NodeSlot& at(kernel::NodeId node) { return slots_[node.value - 1u]; }
  NodeSlot& make_wanted(kernel::NodeId node);
  NodeSlot& make_slot(kernel::NodeId node);
  void place_on(NodeSlot& slot, const protocol::Hello& machine);
  NodeSlot& claim_slot(kernel::NodeId node, const protocol::Hello& machine);
  [[nodiscard]] NodeProcess::Events listen(NodeSlot& slot);
  void start(NodeSlot& slot);
  [[nodiscard]] std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(NodeSlot& slot);
  void on_message(NodeSlot& slot, const protocol::FromNode& message);
  void on_ready(NodeSlot& slot, const protocol::Ready& ready);
  void on_lease(NodeSlot& slot, kernel::Incarnation incarnation, std::expected<LeaseId, CoordinationError> lease);
  void on_member(NodeSlot& slot);
  void renew(NodeSlot& slot);
  void let_drained_leave();
  void on_heartbeat(NodeSlot& slot, const protocol::Heartbeat& heartbeat);
  void on_cut_off(NodeSlot& slot);
  void on_end(NodeSlot& slot, ProcessEnd end);
  void on_left(NodeSlot& slot, NodeState before, bool is_wanted_end);
  void on_end_before_started(NodeSlot& slot, NodeState before);
  void restart_later(NodeSlot& slot);
  [[nodiscard]] static std::string text_of(const protocol::StartFailed& refusal);
  void kill(NodeSlot& slot, KillCause cause);
  /// `node`: null if the line is a spare's, which says nothing about the node.
  void add_line(NodeSlot* node, protocol::LogLine line);
  void say(protocol::LogLevel level, std::string message);

  Host& host_;
  const SupervisorOptions& options_;
  const RunPaths& paths_;
  std::string fabric_id_;
  ModuleCopy module_;
  LocalCoordination& coordination_;
  LogHub& logs_;
  Events events_;
  Machines* machines_;
  bool is_started_ = false;
  bool is_stopping_ = false;
  kernel::Placement placement_;
  std::deque<NodeSlot> slots_;  // node-1 first; addresses are stable
};

}  // namespace epic::cluster
