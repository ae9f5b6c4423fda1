#pragma once
// MachineSupervisor: the supervisor of one machine of a fabric that has several.
//
// It keeps the machine's place in coordination, runs its nodes, and leads the fabric when it is its turn. Until then
// control requests go on to the supervisor that leads.
//
// A machine that is evicted, because it cannot reach others, ends as one that has lost its lease. Another supervisor
// with another name follows it (SupervisorOptions::evicted), which belongs to the fabric again when it reaches all
// machines.
//
// It lives in the world that its Host, its coordination and its links give it, and has no other.
//
// Not here: what it consists of (membership.hpp, machine_agent.hpp, machines.hpp, fabric.hpp), sockets and signals
// (machine_runner.hpp).

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/supervisor/fabric.hpp"
#include "cluster/supervisor/guests.hpp"
#include "cluster/supervisor/machine_agent.hpp"
#include "cluster/supervisor/machine_link.hpp"
#include "cluster/supervisor/machines.hpp"
#include "cluster/supervisor/membership.hpp"
#include "cluster/supervisor/module_fetch.hpp"
#include "cluster/supervisor/modules.hpp"
#include "cluster/supervisor/open_links.hpp"
#include "cluster/supervisor/partitions.hpp"
#include "cluster/supervisor/reachability.hpp"

namespace epic::cluster {

/// Single-threaded.
class MachineSupervisor {
 public:
  /// The references outlive it.
  struct Parts {
    Host& host;
    const SupervisorOptions& options;
    const RunPaths& paths;
    LogHub& logs;
    MachineModules& modules;
    GrantWriter::OpenStore open_store;
    Coordination& coordination;
    std::string coordination_name;  // "etcd at …", for messages
    std::string machine;            // names this supervisor for as long as it lives
    std::string address;            // where links of other machines come in, as connect() takes it
    /// A link to the machine with this address in coordination, not started. Null: nobody listens there.
    ModuleFetch::Connect connect;
    /// By its port, before a link came in. Empty: it has none.
    std::function<protocol::control::Refused()> count_refused = {};
    /// Its nodes have ended. Called once; it must not destroy the supervisor, which may have something left to say.
    std::function<void(int exit_code)> on_end;
  };

  explicit MachineSupervisor(Parts parts);
  MachineSupervisor(const MachineSupervisor&) = delete;
  MachineSupervisor& operator=(const MachineSupervisor&) = delete;
  ~MachineSupervisor();

  void start();
  /// A link has come in, of another machine or of a guest; it is not started.
  void accept(const std::shared_ptr<LinkToMachine>& link);
  void handle(const ControlRequest& request, ControlReply reply);
  /// A reader of long answers has caught up.
  void on_room() {
    if (fabric_) fabric_->on_room();
  }
  /// In order: the whole fabric if it leads, this machine otherwise.
  void stop(const std::string& why);
  /// At once; after stop().
  void stop_at_once(const std::string& why);

  [[nodiscard]] bool is_stopping() const { return is_leaving_ || (fabric_ && fabric_->is_stopping()); }
  /// It has a fabric.
  [[nodiscard]] bool leads() const { return fabric_ != nullptr; }
  /// Why it was evicted, as in "cannot reach oak"; empty: it was not.
  [[nodiscard]] const std::string& evicted() const { return evicted_; }
  /// After the end: the links have taken everything, and the lease was given back.
  [[nodiscard]] bool has_said_all() const;

 private:
  struct Rows;

  static constexpr std::chrono::milliseconds kMachineTick{200};
  void tick();

  // ---- as one machine of several
  void follow(const std::optional<std::string>& leader);
  void connect();
  void get_module(const protocol::ModuleOrigin& origin, MachineAgent::Parts::ModuleDone done);
  void ask_to_restart(ControlRequest request, ControlReply reply);
  void answer_ping(const ControlReply& reply) const;
  void watch_others();
  void enter_when_reached();
  void refuse_waiting(const ControlReply& reply) const;
  void leave(const std::string& why);
  void on_dismissed(const protocol::Dismiss& message);
  void on_nodes_ready(std::vector<FabricReady::Node> nodes);
  void tell_setup();
  void on_lost(const std::string& why);
  void on_evicted(const std::string& why);
  void fail(SupervisorError error);

  // ---- for guests
  [[nodiscard]] bool try_answer(const protocol::FromMachine& message, const std::shared_ptr<LinkToMachine>& link);
  void drop(const LinkToMachine& link);
  void drop_silent(std::chrono::nanoseconds passed);
  /// By this supervisor.
  [[nodiscard]] protocol::control::Refused count_refused() const;

  // ---- as the leader
  void lead();
  void read_rows();
  void on_rows(const Rows& rows);
  void begin_if_complete();
  [[nodiscard]] std::map<std::string, std::string> list_waiting() const;
  [[nodiscard]] std::vector<protocol::control::Ps::Machine> list_machines() const;
  [[nodiscard]] std::optional<protocol::control::UnrenewedLease> find_unrenewed() const;
  void end_partitions();
  void evict(const Partitions::Eviction& eviction);
  [[nodiscard]] std::expected<std::optional<ModuleCopy>, SupervisorError> find_module(Takeover& takeover);
  void on_fabric_end(const FabricEnd& end);
  void end_when_heard(FabricEnd end, Host::TimePoint give_up_at);

  void finish(int exit_code, std::optional<SupervisorError> error);
  void say(protocol::LogLevel level, std::string message);

  const SupervisorOptions& options_;
  const RunPaths& paths_;
  LogHub& logs_;
  MachineModules& modules_;
  GrantWriter::OpenStore open_store_;
  std::string machine_;
  std::string address_;
  std::string coordination_name_;
  Host& host_;
  ModuleFetch::Connect connect_to_;
  std::function<protocol::control::Refused()> count_refused_at_port_;
  protocol::control::Refused refused_links_;  // afterwards
  std::function<void(int)> on_end_;
  Host::TimePoint begun_at_ = host_.now();
  std::chrono::system_clock::time_point begun_time_ = host_.wall_now();
  ModuleFetch fetch_{host_, modules_, connect_to_};
  Reachability reach_{host_, connect_to_};
  Partitions partitions_{options_.lease};             // while it leads
  bool is_waiting_ = !options_.evicted.empty();       // to be let in
  std::optional<Host::TimePoint> reaches_all_since_;  // meanwhile
  bool has_reported_ = false;                         // machines that it cannot reach
  std::map<std::string, std::string> waiting_;        // machines that wait to be let in, and why
  std::string evicted_;
  bool is_fetching_ = false;          // what it is to lead with
  std::optional<Machines> machines_;  // while it leads
  MachineAgent agent_;
  Membership membership_;
  std::map<std::string, std::string> addresses_;  // of machines
  std::optional<std::string> leader_;             // another machine
  std::shared_ptr<LinkToLeader> link_;
  Guests guests_;
  OpenLinks links_;
  std::optional<std::vector<storage::Store::ShardRow>> rows_;  // read as the leader
  std::unique_ptr<Fabric> fabric_;
  std::optional<protocol::Dismiss> dismissal_;  // of all machines, when the fabric has ended
  std::vector<ControlReply> stop_watchers_;
  bool is_leaving_ = false;
  bool is_dismissed_ = false;
  bool is_ready_told_ = false;
  bool is_setup_told_ = false;
  SetupState setup_ = SetupState::none;  // as the leader says
  std::string trouble_;                  // why the lease cannot be renewed; empty: it can
  io::BootTime valid_until_{};           // the lease
  bool is_given_back_ = false;           // the lease
  std::optional<int> exit_code_;
  Timer tick_{host_};
  Timer rows_timer_{host_};
  Timer fetch_timer_{host_};
  Timer leave_timer_{host_};
  Timer hear_timer_{host_};
  Timer start_timer_{host_};  // until there is a lease
};

}  // namespace epic::cluster
