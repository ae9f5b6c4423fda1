#pragma once
// MachineRunner: the supervisor of one machine of a fabric that has several, on an io_context, with signals, the
// control socket, and the socket of its links.
//
// Not here: what the supervisor does (machine_supervisor.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>
#include <optional>

#include "cluster/control/control_server.hpp"
#include "cluster/coordination/open_coordination.hpp"
#include "cluster/supervisor/asio_host.hpp"
#include "cluster/supervisor/machine_socket.hpp"
#include "cluster/supervisor/machine_supervisor.hpp"

namespace epic::cluster {

/// Single-threaded.
class MachineRunner {
 public:
  MachineRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                LogHub& logs, MachineModules& modules, GrantWriter::OpenStore open_store);
  [[nodiscard]] int run();

 private:
  void listen_to_signals();
  void on_end(int exit_code);
  void end_when_sent(Host::TimePoint give_up_at);

  const SupervisorOptions& options_;
  const RunPaths& paths_;
  boost::asio::io_context context_{1};
  AsioHost host_;
  const std::string name_;  // of the machine
  CoordinationPlace place_;
  std::unique_ptr<Coordination> coordination_;
  MachineSupervisor machine_;
  std::unique_ptr<MachineListener> listener_;
  std::unique_ptr<ControlServer> server_;
  boost::asio::signal_set signals_{context_};
  bool is_answered_ = false;  // each client of the control socket
  std::optional<int> exit_code_;
  Timer end_timer_{host_};
};

}  // namespace epic::cluster
