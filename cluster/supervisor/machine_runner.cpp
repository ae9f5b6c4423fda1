#include "cluster/supervisor/machine_runner.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "client/machine_file.hpp"

namespace epic::cluster {

using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kSentEvery{20};    // how often is looked whether all was sent
constexpr std::chrono::milliseconds kLastWords{1000};  // for what was said last to be sent

/// "debian-3f2a91c7".
std::string name_machine(std::uint64_t random) {
  std::array<char, 65> host{};
  static_cast<void>(::gethostname(host.data(), host.size() - 1));
  return fmt::format("{}-{:08x}", host.data(), random & 0xffffffffU);
}

bool is_sighup_ignored() {
  struct sigaction action{};
  return ::sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

MachineRunner::MachineRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                             LogHub& logs, MachineModules& modules, GrantWriter::OpenStore open_store)
    : options_(options),
      paths_(paths),
      host_(context_, directory),
      name_(name_machine(host_.random_id())),
      place_({.setting = options.coordination, .store = options.store.text(), .project = options.project_name}),
      coordination_(open_coordination(place_, options.lease, context_)),
      machine_({.host = host_,
                .options = options,
                .paths = paths,
                .logs = logs,
                .modules = modules,
                .open_store = std::move(open_store),
                .coordination = *coordination_,
                .coordination_name = describe_coordination(place_),
                .machine = name_,
                .connect = [this](const std::string& address) -> std::shared_ptr<LinkToLeader> {
                  auto socket = connect_machine(context_, address);
                  if (!socket) return nullptr;
                  return std::make_shared<SocketLink<protocol::ToMachine, protocol::FromMachine>>(*std::move(socket));
                },
                .on_end = [this](int exit_code) { on_end(exit_code); }}) {}

int MachineRunner::run() {
  auto server = ControlServer::listen(
      context_, paths_.control_socket,
      [this](const ControlRequest& request, ControlReply reply) { machine_.handle(request, std::move(reply)); });
  auto listener = MachineListener::listen(context_, paths_.machine_socket, [this](auto socket) {
    machine_.accept(std::make_shared<SocketLink<protocol::FromMachine, protocol::ToMachine>>(std::move(socket)));
  });
  if (!server || !listener) {
    if (options_.on_error) options_.on_error(server ? listener.error() : server.error());
    return kExitFailed;
  }
  const auto written = client::write_machine_file(paths_.run, {.machine = name_, .tcp = options_.tcp});
  if (!written) {
    if (options_.on_error) options_.on_error(error_of(written.error()));
    return kExitFailed;
  }
  server_ = std::move(*server);
  listener_ = std::move(*listener);
  server_->watch_room([this] { machine_.on_room(); });
  listen_to_signals();
  machine_.start();
  context_.run();
  return *exit_code_;
}

void MachineRunner::listen_to_signals() {
  if (exit_code_) return;
  if (!machine_.is_stopping()) {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    if (!is_sighup_ignored()) signals_.add(SIGHUP);
  }
  signals_.async_wait([this](error_code error, int signal) {
    if (error || exit_code_) return;
    const std::string name = fmt::format("SIG{}", ::sigabbrev_np(signal));
    if (!machine_.is_stopping())
      machine_.stop(fmt::format("requested by {}", name));
    else if (signal != SIGHUP)
      machine_.stop_at_once(fmt::format("requested again by {}", name));
    listen_to_signals();
  });
}

void MachineRunner::on_end(int exit_code) {
  exit_code_ = exit_code;
  server_->stop_listening();
  server_->flush([this] { is_answered_ = true; });
  end_timer_.expires_after(kSentEvery, [this, give_up_at = host_.now() + kLastWords] { end_when_sent(give_up_at); });
}

void MachineRunner::end_when_sent(Host::TimePoint give_up_at) {
  if ((machine_.has_said_all() && is_answered_) || host_.now() >= give_up_at) return context_.stop();
  end_timer_.expires_after(kSentEvery, [this, give_up_at] { end_when_sent(give_up_at); });
}

}  // namespace epic::cluster
