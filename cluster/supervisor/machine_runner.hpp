#pragma once
// MachineRunner: the supervisor of one machine of a fabric that has several, on an io_context, with signals, the
// control socket, and the sockets of its links: a UNIX socket below `.epic` if all machines are on this host, TCP with
// TLS otherwise.
//
// Not here: what the supervisor does (machine_supervisor.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cluster/control/control_server.hpp"
#include "cluster/coordination/open_coordination.hpp"
#include "cluster/supervisor/asio_host.hpp"
#include "cluster/supervisor/beacon.hpp"
#include "cluster/supervisor/machine_supervisor.hpp"
#include "transport/credential_files.hpp"
#include "transport/tcp_medium.hpp"
#include "transport/unix_medium.hpp"

namespace epic::cluster {

/// Single-threaded.
class MachineRunner {
 public:
  MachineRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                LogHub& logs, MachineModules& modules, GrantWriter::OpenStore open_store);
  [[nodiscard]] int run();
  /// Why the machine was evicted; empty: it was not.
  [[nodiscard]] std::string evicted() const { return machine_ ? machine_->evicted() : std::string(); }

 private:
  /// Returns where others reach this machine.
  [[nodiscard]] std::expected<std::string, SupervisorError> listen();
  void begin(const std::string& address);
  [[nodiscard]] std::shared_ptr<LinkToLeader> connect(const std::string& address);
  void accept(std::expected<transport::StreamPtr, std::string> stream);
  [[nodiscard]] auto poster() {
    return [this](Host::Task task) { host_.post(std::move(task)); };
  }
  void listen_to_signals();
  void on_end(int exit_code);
  void end_when_sent(Host::TimePoint give_up_at);

  SupervisorOptions options_;
  const RunPaths& paths_;
  LogHub& logs_;
  MachineModules& modules_;
  GrantWriter::OpenStore open_store_;
  boost::asio::io_context context_{1};
  AsioHost host_;
  const std::string name_;  // of the machine
  CoordinationPlace place_;
  std::unique_ptr<Coordination> coordination_;
  transport::UnixMedium unix_{context_};
  transport::CredentialFiles credentials_;
  std::optional<transport::TcpMedium> tcp_;  // with credentials
  std::optional<Beacon> beacon_;
  std::string unreachable_;  // an address that this machine cannot use, as it was reported
  std::optional<MachineSupervisor> machine_;
  std::unique_ptr<ControlServer> server_;
  boost::asio::signal_set signals_{context_};
  bool is_answered_ = false;  // each client of the control socket
  std::optional<int> exit_code_;
  Timer end_timer_{host_};
};

}  // namespace epic::cluster
