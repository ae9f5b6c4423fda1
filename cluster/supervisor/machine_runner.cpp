#include "cluster/supervisor/machine_runner.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "client/machine_file.hpp"
#include "cluster/supervisor/machine_stream.hpp"
#include "transport/refused_counts.hpp"
#include "transport/tcp_place.hpp"

namespace epic::cluster {

using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kSentEvery{20};    // how often is looked whether all was sent
constexpr std::chrono::milliseconds kLastWords{1000};  // for what was said last to be sent

/// "debian-3f2a91c7".
std::string name_machine(const std::string& start, std::uint64_t random) {
  std::array<char, 65> host{};
  static_cast<void>(::gethostname(host.data(), host.size() - 1));
  return fmt::format("{}-{:08x}", start.empty() ? host.data() : start, random & 0xffffffffU);
}

/// Of links: a machine that cannot be reached is noticed before its nodes seem silent.
constexpr transport::TcpLimits kLinkLimits{.handshake_timeout = std::chrono::seconds(2),
                                           .silence_max = std::chrono::seconds(2)};

bool is_sighup_ignored() {
  struct sigaction action{};
  return ::sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

MachineRunner::MachineRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                             LogHub& logs, MachineModules& modules, GrantWriter::OpenStore open_store)
    : options_(options),
      paths_(paths),
      logs_(logs),
      modules_(modules),
      open_store_(std::move(open_store)),
      host_(context_, directory),
      name_(name_machine(options.machine_name, host_.random_id())),
      place_({.setting = options.coordination, .store = options.store.text(), .project = options.project_name}),
      coordination_(open_coordination(place_, options.lease, context_)),
      credentials_(transport::credential_place(options.tcp)) {
  if (!transport::credential_place(options.tcp).is_empty())
    tcp_.emplace(context_, [this] { return credentials_.get(); }, kLinkLimits);
}

int MachineRunner::run() {
  auto server = ControlServer::listen(
      context_, paths_.control_socket,
      [this](const ControlRequest& request, ControlReply reply) { machine_->handle(request, std::move(reply)); });
  const auto address = listen();
  if (!server || !address) {
    if (options_.on_error) options_.on_error(server ? address.error() : server.error());
    return kExitFailed;
  }
  const auto written = client::write_machine_file(paths_.run, {.machine = name_, .tcp = options_.tcp});
  if (!written) {
    if (options_.on_error) options_.on_error(error_of(written.error()));
    return kExitFailed;
  }
  server_ = std::move(*server);
  server_->watch_room([this] { machine_->on_room(); });
  begin(*address);
  if (const auto place = transport::parse_tcp_address(*address); options_.beacon && place)
    beacon_.emplace(context_, BeaconMessage{.fabric = options_.project_name,
                                            .host = place->address().to_string(),
                                            .port = place->port(),
                                            .speaks = protocol::kSpoken});
  listen_to_signals();
  context_.run();
  return *exit_code_;
}

std::expected<std::string, SupervisorError> MachineRunner::listen() {
  const bool is_alone = options_.tcp.host.empty();
  if (!is_alone && !tcp_)
    return std::unexpected(SupervisorError{
        fmt::format("Other machines cannot reach {} without a secret.", options_.tcp.host),
        "Make one with 'openssl rand -hex 32 > FILE && chmod 600 FILE', and name it: --secret-file FILE, or [cluster] "
        "secret_file in epic.toml.",
        {}});
  if (tcp_)
    if (const auto checked = credentials_.get(); !checked)
      return std::unexpected(SupervisorError{checked.error(), {}, {}});
  const std::string address =
      is_alone ? paths_.machine_socket.string() : protocol::format_tcp_address(options_.tcp.host, options_.port);
  transport::Medium& medium = is_alone ? static_cast<transport::Medium&>(unix_) : *tcp_;
  if (const auto listening = medium.listen(address, [this](auto stream) { accept(std::move(stream)); }); !listening)
    return std::unexpected(SupervisorError{
        fmt::format("Cannot listen on {}: {}.", address, listening.error()),
        is_alone ? "Check the permissions of the directory."
                 : "Give an address of this machine, and a port that nothing else uses: --listen ADDRESS:PORT",
        {}});
  return is_alone ? address : tcp_->listening_at();
}

void MachineRunner::begin(const std::string& address) {
  const auto port = static_cast<std::uint16_t>(options_.tcp.host.empty() || options_.port == 0 ? 0 : options_.port + 1);
  options_.tcp.first_port = port;
  options_.tcp.last_port = port == 0 ? port : static_cast<std::uint16_t>(port + kNodePortsMax - 1);
  if (!options_.tcp.host.empty() && options_.on_ready)
    options_.on_ready = [address, tell = std::move(options_.on_ready)](FabricReady ready) {
      ready.address = address;
      tell(ready);
    };
  machine_.emplace(MachineSupervisor::Parts{
      .host = host_,
      .options = options_,
      .paths = paths_,
      .logs = logs_,
      .modules = modules_,
      .open_store = std::move(open_store_),
      .coordination = *coordination_,
      .coordination_name = describe_coordination(place_),
      .machine = name_,
      .address = address,
      .connect = [this](const std::string& leader) { return connect(leader); },
      .count_refused =
          [this] { return transport::count_refused(tcp_ ? tcp_->refusals() : transport::RefusalCounts()); },
      .on_end = [this](int exit_code) { on_end(exit_code); }});
  machine_->start();
}

/// Null, and the log says why, if that machine is reached in another way than this one can use.
std::shared_ptr<LinkToLeader> MachineRunner::connect(const std::string& address) {
  const bool is_tcp = is_tcp_address(address);
  auto stream = !is_tcp ? unix_.dial(address)
                : tcp_  ? tcp_->dial(address)
                        : std::unexpected(std::string("this machine has no secret to connect with"));
  if (stream)
    return std::make_shared<StreamLink<protocol::ToMachine, protocol::FromMachine>>(*std::move(stream), poster());
  if (is_tcp && std::exchange(unreachable_, address) != address)
    logs_.add({host_.wall_now(), "supervisor", protocol::LogLevel::error, "",
               fmt::format("Cannot connect to the machine at {}: {}.", address, stream.error())});
  return nullptr;
}

void MachineRunner::accept(std::expected<transport::StreamPtr, std::string> stream) {
  if (stream)
    return machine_->accept(
        std::make_shared<StreamLink<protocol::FromMachine, protocol::ToMachine>>(*std::move(stream), poster()));
  logs_.add({host_.wall_now(), "supervisor", protocol::LogLevel::warn, "",
             fmt::format("A connection from another machine: {}.", stream.error())});
}

void MachineRunner::listen_to_signals() {
  if (exit_code_) return;
  if (!machine_->is_stopping()) {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    if (!is_sighup_ignored()) signals_.add(SIGHUP);
  }
  signals_.async_wait([this](error_code error, int signal) {
    if (error || exit_code_) return;
    const std::string name = fmt::format("SIG{}", ::sigabbrev_np(signal));
    if (!machine_->is_stopping())
      machine_->stop(fmt::format("requested by {}", name));
    else if (signal != SIGHUP)
      machine_->stop_at_once(fmt::format("requested again by {}", name));
    listen_to_signals();
  });
}

void MachineRunner::on_end(int exit_code) {
  exit_code_ = exit_code;
  beacon_.reset();
  server_->stop_listening();
  server_->flush([this] { is_answered_ = true; });
  end_timer_.expires_after(kSentEvery, [this, give_up_at = host_.now() + kLastWords] { end_when_sent(give_up_at); });
}

void MachineRunner::end_when_sent(Host::TimePoint give_up_at) {
  if ((machine_->has_said_all() && is_answered_) || host_.now() >= give_up_at) return context_.stop();
  end_timer_.expires_after(kSentEvery, [this, give_up_at] { end_when_sent(give_up_at); });
}

}  // namespace epic::cluster
