#pragma once
// Cluster: a whole fabric in a simulated world: the supervisor's fabric, its nodes, clients, network and disk.
//
//     Cluster ─▶ SimHost ─▶ Fabric (supervisor/), SimNode ─▶ NodeCore (runtime/node)
//             ─▶ SimClient ─▶ Router (runtime/client)
//
// With several machines there is a SimMachine ─▶ SimHost, MachineSupervisor for each, and one of them has the Fabric.
//
// All of that is the production code; what is simulated is what it stands on. Faults are calls on this class, on the
// network and on the disk; faults.hpp makes them as a schedule says (fault_mix.hpp).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/control/control_reply.hpp"
#include "cluster/coordination/lease_keeper.hpp"
#include "cluster/sim/coordination_service.hpp"
#include "cluster/sim/disk.hpp"
#include "cluster/sim/network.hpp"
#include "cluster/sim/sim_client.hpp"
#include "cluster/sim/sim_host.hpp"
#include "cluster/sim/sim_lease.hpp"
#include "cluster/sim/sim_machine.hpp"
#include "cluster/sim/world.hpp"
#include "cluster/supervisor/fabric.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "kernel/limits.hpp"

namespace epic::cluster::sim {

/// Nodes have the places below it.
inline constexpr Place kFirstClientPlace = 100'000;
/// Of the supervisor of a machine, whose number counts from 0; clients have the places below.
[[nodiscard]] constexpr Place place_of_machine(std::size_t number) { return 200'000 + static_cast<Place>(number); }

struct ClusterOptions {
  std::uint64_t seed = 1;
  std::uint16_t nodes = 4;
  std::uint32_t shard_count = 16;
  protocol::FabricOptions fabric = {};
  RestartPolicy restart = {};
  nanoseconds call_timeout = kernel::limits::kCallTimeout;  // of clients
  NetworkOptions network = {};
  DiskOptions disk = {};
  nanoseconds blocking_delay_max = std::chrono::milliseconds(4);
  std::int64_t drift_ppm_max = 200;  // of a node's clock
  nanoseconds timer_lateness = std::chrono::milliseconds(1);
  std::chrono::milliseconds silence_max{std::chrono::seconds(5)};
  decltype(NodeSurroundings::on_log) on_node_log = {};
  /// Each supervisor with its nodes is a machine of its own, which needs a lease. Empty: all are on one machine.
  std::optional<LeaseSettings> lease = {};
  /// That run at a time, each with a supervisor and a part of the nodes; of the lease its timeout counts. 0: one
  /// supervisor has all nodes.
  std::size_t machines = 0;
};

class Cluster {
 public:
  Cluster(const ClusterOptions& options, const ModuleInfo& module);
  ~Cluster();

  [[nodiscard]] World& world() { return world_; }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] Disk& disk() { return disk_; }
  [[nodiscard]] CoordinationService& coordination() { return coordination_; }
  [[nodiscard]] const std::optional<LeaseSettings>& lease() const { return options_.lease; }

  void start();
  [[nodiscard]] bool is_ready() const { return is_ready_; }
  /// The number of the newest supervisor; with machines, how often one of them has ended.
  [[nodiscard]] std::uint64_t run() const { return run_; }
  SimClient& add_client();

  // ---- nodes, by number; null, or no effect, for one without a process
  [[nodiscard]] SimNode* find_node(std::uint16_t node);
  void crash(std::uint16_t node);
  void pause(std::uint16_t node, nanoseconds duration);
  /// The same with its clock, and though its supervisor may end meanwhile.
  void stop_machine(std::uint16_t node, nanoseconds duration);
  /// Stopped after it has begun a tick, which it ends afterwards; though its supervisor may end meanwhile.
  void pause_in_tick(std::uint16_t node, nanoseconds duration);
  /// The supervisor dies, and its machine is paused without its clock noticing, for less than the lease's margin
  /// allows. Its nodes then live on as in crash_supervisor().
  void lose_machine(nanoseconds back_after, nanoseconds uncounted, Survival nodes);
  /// A turn lasts that long, and nothing else runs meanwhile.
  void occupy(std::uint16_t node, nanoseconds duration);
  void jump_clock(std::uint16_t node, nanoseconds by);

  // ---- machines, by number, from 0; no effect if it does not run
  [[nodiscard]] std::size_t count_machines() const { return machines_.size(); }
  /// Null: it does not run.
  [[nodiscard]] SimMachine* find_machine(std::size_t number);
  /// Empty: nobody leads.
  [[nodiscard]] std::optional<std::size_t> find_leader() const;
  [[nodiscard]] bool is_on(std::uint16_t node, std::size_t machine);
  /// With all its processes.
  void crash_machine(std::size_t number, nanoseconds back_after);
  void pause_machine(std::size_t number, nanoseconds duration, SimMachine::Clock clock);
  /// It leaves, or stops the fabric if it leads; as after every end of a supervisor, another is started there.
  void stop_machine_in_order(std::size_t number);

  // ---- the supervisor, unless there are machines
  /// It dies, and its nodes with it, or, as on other machines, later; another is started after a while.
  void crash_supervisor(nanoseconds back_after, Survival nodes = {});
  /// Everything dies at once, and the disk keeps only what was synced.
  void cut_power(nanoseconds back_after);
  /// Everything dies at once; until the next supervisor starts, `epic reshard` has rewritten the store.
  void reshard(std::uint32_t shard_count, nanoseconds back_after);
  /// The next copy of the module cannot be loaded, those after it can.
  void spoil_next_module() { is_next_module_bad_ = true; }

  // ---- requests
  /// The one that leads. Null: it is dead, or waits until it may.
  [[nodiscard]] Process* find_supervisor();
  /// Gets whether the request succeeded, and the body of each part of the answer.
  using OnAnswered = std::function<void(bool, std::vector<std::string>)>;
  /// A control request, as `epic` makes it, to any of the machines. `on_end` is not called if that dies.
  void request(std::string_view verb, std::string body, OnAnswered on_end = {});
  /// "1700000000.123 node-2 error Account/3: text"; the newest lines of the current supervisor.
  [[nodiscard]] std::vector<std::string> log() const;

 private:
  class OneModule;
  class Requester;
  struct Machine {
    RunPaths paths;
    SupervisorOptions options;
    std::unique_ptr<LogHub> logs = {};
    std::unique_ptr<OneModule> modules;
    std::uint64_t run = 0;
    std::vector<std::shared_ptr<Requester>> requesters = {};  // shared with their replies
    std::unique_ptr<SimMachine> running = {};
  };

  void begin_run();
  void begin_fabric();
  void start_again();
  void start_machine(std::size_t number);
  [[nodiscard]] NodeSurroundings surroundings();
  [[nodiscard]] std::int64_t draw_boot_drift();
  [[nodiscard]] SimHost::Child* find_child(std::uint16_t node);
  /// Not if its process is another by then.
  void after_in(std::uint16_t node, nanoseconds delay, std::function<void(SimNode&)> event);
  [[nodiscard]] std::string name_of(std::uint16_t node) const;

  ClusterOptions options_;
  const ModuleInfo& module_;
  World world_;
  Network network_;
  Disk disk_;
  CoordinationService coordination_;
  RunPaths paths_{"/sim"};
  SupervisorOptions supervisor_options_;
  std::uint64_t run_ = 0;
  std::uint64_t last_request_ = 0;
  bool is_ready_ = false;
  bool is_next_module_bad_ = false;
  std::unique_ptr<LogHub> logs_;
  std::unique_ptr<OneModule> modules_;
  std::unique_ptr<SimHost> host_;
  std::shared_ptr<MachineClock> machine_;  // shared by the processes of the newest machine
  std::unique_ptr<SimLease> lease_;
  std::unique_ptr<Fabric> fabric_;
  std::vector<std::shared_ptr<Requester>> requesters_;  // shared with their replies
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<std::unique_ptr<SimClient>> clients_;
};

}  // namespace epic::cluster::sim
