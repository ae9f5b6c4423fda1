#pragma once
// SimMachine: a machine of a simulated fabric that has several, while it runs: its supervisor's process, and its nodes.
//
// The supervisor is the production code (supervisor/machine_supervisor.hpp). The machine dies whole when this is
// destroyed: nobody says anything any more.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cluster/sim/coordination_service.hpp"
#include "cluster/sim/network.hpp"
#include "cluster/sim/sim_host.hpp"
#include "cluster/supervisor/machine_supervisor.hpp"

namespace epic::cluster::sim {

class SimMachine {
 public:
  /// The references outlive it.
  struct Parts {
    NodeSurroundings surroundings;
    CoordinationService& coordination;
    Place place;  // of its supervisor
    const SupervisorOptions& options;
    const RunPaths& paths;
    LogHub& logs;
    MachineModules& modules;
    std::int64_t node_drift_ppm_max;
    std::int64_t boot_drift_ppm;
    std::function<void()> on_end;  // the supervisor has ended, and said what it had to say; destroys this later
  };

  explicit SimMachine(Parts parts);
  SimMachine(const SimMachine&) = delete;
  SimMachine& operator=(const SimMachine&) = delete;
  ~SimMachine();

  [[nodiscard]] SimHost& host() { return host_; }
  [[nodiscard]] MachineSupervisor& supervisor() { return *supervisor_; }

  /// Whether its boot clock counts a pause of the machine.
  enum class Clock : std::uint8_t { counts, misses };
  /// All its processes stand still …
  void pause();
  /// … and go on.
  void go_on(nanoseconds paused_for, Clock clock);

 private:
  [[nodiscard]] std::shared_ptr<LinkToLeader> connect(const std::string& address);
  [[nodiscard]] auto poster() {
    return [this](Host::Task task) { host_.post(std::move(task)); };
  }
  void end_when_said(std::int64_t give_up_at_ns);

  SimHost host_;
  Network& network_;
  std::shared_ptr<MachineClock> clock_;  // shared by its processes
  std::function<void()> on_end_;
  std::unique_ptr<Coordination> session_;
  std::unique_ptr<transport::Medium> medium_;
  std::unique_ptr<MachineSupervisor> supervisor_;
};

}  // namespace epic::cluster::sim
