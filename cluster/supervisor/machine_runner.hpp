#pragma once
// MachineRunner: the supervisor of one machine of a fabric that has several, on an io_context.
//
// It keeps the machine's place in coordination, runs its nodes, and leads the fabric when it is its turn. Until then
// control requests go on to the supervisor that leads.
//
// Not here: what it consists of (membership.hpp, machine_agent.hpp, machines.hpp, fabric.hpp, machine_link.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/control/control_server.hpp"
#include "cluster/coordination/open_coordination.hpp"
#include "cluster/supervisor/asio_host.hpp"
#include "cluster/supervisor/fabric.hpp"
#include "cluster/supervisor/machine_agent.hpp"
#include "cluster/supervisor/machine_link.hpp"
#include "cluster/supervisor/machines.hpp"
#include "cluster/supervisor/membership.hpp"
#include "cluster/supervisor/module_copies.hpp"

namespace epic::cluster {

/// Single-threaded.
class MachineRunner {
 public:
  MachineRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                LogHub& logs, ModuleCopies& modules, GrantWriter::OpenStore open_store);
  ~MachineRunner();
  [[nodiscard]] int run();

 private:
  struct Rows;

  void listen_to_signals();
  void tick();

  // ---- as one machine of several
  void follow(const std::optional<std::string>& leader);
  void connect();
  void handle(const ControlRequest& request, ControlReply reply);
  void answer_ping(const ControlReply& reply) const;
  void leave(const std::string& why);
  void on_dismissed(const protocol::Dismiss& message);
  void on_nodes_ready(std::vector<FabricReady::Node> nodes);
  void tell_setup();
  void on_lost(const std::string& why);
  void fail(SupervisorError error);

  // ---- as the leader
  void lead();
  void read_rows();
  void on_rows(const Rows& rows);
  void accept(boost::asio::local::stream_protocol::socket socket);
  void begin_if_complete();
  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take_module(Generation generation);
  void on_fabric_end(const FabricEnd& end);

  void finish(int exit_code, std::optional<SupervisorError> error);
  void end_when_sent(Host::TimePoint give_up_at);
  void say(protocol::LogLevel level, std::string message);

  const SupervisorOptions& options_;
  const RunPaths& paths_;
  LogHub& logs_;
  ModuleCopies& modules_;
  GrantWriter::OpenStore open_store_;
  std::string machine_;
  boost::asio::io_context context_{1};
  AsioHost host_;
  Host::TimePoint begun_at_ = host_.now();
  std::chrono::system_clock::time_point begun_time_ = host_.wall_now();
  CoordinationPlace place_;
  std::unique_ptr<Coordination> coordination_;
  std::optional<Machines> machines_;  // while it leads
  MachineAgent agent_;
  Membership membership_;
  std::map<std::string, std::string> addresses_;  // of machines
  std::optional<std::string> leader_;             // another machine
  std::shared_ptr<LinkToLeader> link_;
  std::vector<std::shared_ptr<LinkToMachine>> links_;
  std::optional<std::vector<storage::Store::ShardRow>> rows_;  // read as the leader
  std::unique_ptr<Fabric> fabric_;
  std::unique_ptr<MachineListener> listener_;
  std::unique_ptr<ControlServer> server_;
  std::vector<ControlReply> stop_watchers_;
  boost::asio::signal_set signals_{context_};
  bool is_leaving_ = false;
  bool is_dismissed_ = false;
  bool is_ready_told_ = false;
  bool is_setup_told_ = false;
  SetupState setup_ = SetupState::none;  // as the leader says
  std::string trouble_;                  // why the lease cannot be renewed; empty: it can
  bool is_given_back_ = false;           // the lease
  bool is_answered_ = false;             // each client of the control socket
  std::optional<int> exit_code_;
  Timer tick_{host_};
  Timer rows_timer_{host_};
  Timer leave_timer_{host_};
  Timer start_timer_{host_};  // until there is a lease
  Timer end_timer_{host_};
};

}  // namespace epic::cluster
