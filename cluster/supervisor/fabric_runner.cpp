#include "cluster/supervisor/fabric_runner.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <chrono>
#include <utility>

#include "storage/open_store.hpp"

namespace epic::cluster {

using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kFlushTimeout{1000};

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

GrantWriter::OpenStore opener_of(const SupervisorOptions& options) {
  if (!options.store.keeps_state()) return {};
  // The first node makes it, since that knows the module's groups of classes.
  return [config = storage::StoreConfig{.address = options.store,
                                        .shard_count = options.shard_count,
                                        .mode = storage::OpenMode::existing,
                                        .is_of_fabric = true}] { return storage::open_store(config); };
}

FabricRunner::FabricRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                           std::uint64_t run, LogHub& logs, Modules& modules, ModuleCopy module)
    : options_(options),
      paths_(paths),
      host_(context_, directory),
      fabric_({.host = host_,
               .options = options,
               .paths = paths,
               .run = run,
               .logs = logs,
               .modules = modules,
               .module = std::move(module),
               .open_store = opener_of(options),
               .on_end = [this](const FabricEnd& end) { on_end(end); }}) {}

int FabricRunner::run() {
  auto server = ControlServer::listen(
      context_, paths_.control_socket,
      [this](const ControlRequest& request, ControlReply reply) { fabric_.handle(request, std::move(reply)); });
  if (!server) {
    if (options_.on_error) options_.on_error(server.error());
    return kExitFailed;
  }
  server_ = std::move(*server);
  server_->watch_room([this] { fabric_.on_room(); });
  listen_to_signals();
  fabric_.start();
  context_.run();
  if (end_->error && options_.on_error) options_.on_error(*end_->error);
  return end_->exit_code;
}

void FabricRunner::listen_to_signals() {
  if (end_) return;
  if (!fabric_.is_stopping()) {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    if (!is_ignored(SIGHUP)) signals_.add(SIGHUP);
  }
  signals_.async_wait([this](error_code error, int signal) {
    if (error) return;
    const std::string name = fmt::format("SIG{}", ::sigabbrev_np(signal));
    if (fabric_.is_stopping() && signal != SIGHUP)
      fabric_.kill(fmt::format("requested again by {}", name));
    else
      fabric_.stop(fmt::format("requested by {}", name));
    listen_to_signals();
  });
}

void FabricRunner::on_end(const FabricEnd& end) {
  end_ = end;
  server_->stop_listening();
  if (options_.on_event) options_.on_event({SupervisorEventKind::stopped, {}});
  server_->flush([this] { context_.stop(); });
  flush_timer_.expires_after(kFlushTimeout);
  flush_timer_.async_wait([this](error_code error) {
    if (!error) context_.stop();
  });
}

}  // namespace epic::cluster
