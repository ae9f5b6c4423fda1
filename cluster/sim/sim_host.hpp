#pragma once
// SimHost: a supervisor's process in a simulated world: its clock, its timers, its second thread, and the processes of
// nodes that it starts.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cluster/sim/sim_node.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/leased_nodes.hpp"

namespace epic::cluster::sim {

/// How long nodes live on without their supervisor.
struct Survival {
  nanoseconds min{0};
  nanoseconds max{0};
};

class SimHost final : public Process, public Host {
 public:
  /// A node's process, as the supervisor and the scenario see it.
  class Child;

  SimHost(const NodeSurroundings& surroundings, std::int64_t drift_ppm_max);
  ~SimHost() override;

  /// The boot clock of this machine; no process has been started yet.
  void set_machine(std::shared_ptr<MachineClock> machine) {
    machine_ = std::move(machine);
    clock().set_machine(machine_);
  }
  /// They learn of this machine's lease. `leased` outlives the host's processes.
  void set_leased(LeasedNodes* leased) { leased_ = leased; }
  /// When the supervisor ends, its nodes notice that only later, as on other machines. 0: they end with it.
  void let_nodes_survive(Survival survival) { survival_ = survival; }

  // ---- Host
  [[nodiscard]] TimePoint now() const override { return TimePoint(nanoseconds(clock().monotonic_ns())); }
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override;
  [[nodiscard]] io::BootTime boot_now() const override { return clock().boot_now(); }
  [[nodiscard]] std::uint64_t random_id() override { return world().random() | 1; }
  [[nodiscard]] pid_t pid() const override { return static_cast<pid_t>(process_id()); }
  void post(Task task) override;
  void run_beside(Task work, Task then) override;
  [[nodiscard]] TimerId start_timer(nanoseconds delay, Task task) override;
  void cancel_timer(TimerId timer) override { timers_.erase(timer); }
  [[nodiscard]] std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(const NodeProcess::Program& program,
                                                                                   NodeProcess::Events events) override;
  void remove_socket(const std::filesystem::path&) override {}
  [[nodiscard]] bool is_directory_in_place() const override { return true; }

  // ---- the scenario
  /// Null: it has no process now. "node-2".
  [[nodiscard]] Child* find_child(const std::string& name);
  /// That live on it, by name.
  [[nodiscard]] std::vector<SimNode*> list_nodes() const;
  [[nodiscard]] const NodeSurroundings& surroundings() const { return surroundings_; }

 protected:
  void wake() override {}
  [[nodiscard]] std::int64_t sleep() override { return INT64_MAX; }

 private:
  struct Job {
    Task work;
    Task then;
  };
  void run_job();

  NodeSurroundings surroundings_;
  std::int64_t drift_ppm_max_;
  Survival survival_;
  std::shared_ptr<MachineClock> machine_ = std::make_shared<MachineClock>();  // shared by the machine's processes
  LeasedNodes* leased_ = nullptr;                                             // null: there is no lease
  std::uint64_t last_timer_ = 0;
  std::map<TimerId, Task> timers_;
  std::deque<Job> jobs_;                                               // the first is under way
  std::map<std::string, std::vector<std::weak_ptr<Child>>> children_;  // the node first, then its spare
};

class SimHost::Child : public std::enable_shared_from_this<SimHost::Child> {
 public:
  Child(SimHost& host, NodeProcess::Events events) : host_(host), events_(std::move(events)) {}
  void start(std::int64_t drift_ppm);

  [[nodiscard]] bool try_send(const protocol::ToNode& message);
  [[nodiscard]] bool try_send(std::vector<std::byte> frame);
  [[nodiscard]] bool try_signal(int number);
  /// It ends at once, wherever it is; the supervisor sees that later. Not within an event of the node.
  void die(ProcessEnd end);
  /// Nobody is told of anything any more, and it ends: at once, or when it notices.
  void abandon();

  /// Null when it has ended.
  [[nodiscard]] SimNode* node() { return node_.get(); }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  void on_said(std::vector<std::byte> bytes);
  void on_log(kernel::LogLevel level, std::string_view entity, std::string_view message);
  void later(std::uint64_t fingerprint, std::move_only_function<void()> event);
  void read(const std::vector<std::byte>& bytes);

  SimHost& host_;
  NodeProcess::Events events_;
  std::unique_ptr<SimNode> node_;
  pid_t pid_ = 0;
  bool is_abandoned_ = false;
  std::int64_t last_heard_ns_ = 0;  // by the supervisor
  std::int64_t last_told_ns_ = 0;   // to the node
  codec::FrameWriter<protocol::ToNode> writer_;
  codec::FrameReader<protocol::FromNode> reader_;
  protocol::FrameBuffer incoming_{protocol::kSupervisionFrameBytesMax};
};

}  // namespace epic::cluster::sim
