#include "cluster/supervisor/supervisor.hpp"

#include <signal.h>

#include <chrono>
#include <expected>
#include <utility>

#include "cluster/supervisor/fabric_runner.hpp"
#include "cluster/supervisor/janitor.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "cluster/supervisor/machine_runner.hpp"
#include "cluster/supervisor/module_copies.hpp"
#include "cluster/supervisor/project_lock.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "reflect/try.hpp"

namespace epic::cluster {

namespace {

/// Ignores SIGPIPE while it exists: a closed socket is an error code, not a death.
class IgnoreSigpipe {
 public:
  IgnoreSigpipe() : before_(::signal(SIGPIPE, SIG_IGN)) {}
  IgnoreSigpipe(const IgnoreSigpipe&) = delete;
  IgnoreSigpipe& operator=(const IgnoreSigpipe&) = delete;
  ~IgnoreSigpipe() { ::signal(SIGPIPE, before_); }

 private:
  void (*before_)(int);
};

/// An evicted machine goes on under another name.
int run_machine(SupervisorOptions options, const RunPaths& paths, const files::Directory& directory, LogHub& logs,
                ModuleCopies& modules) {
  while (true) {
    MachineRunner runner(options, paths, directory, logs, modules, opener_of(options));
    const int exit_code = runner.run();
    if (runner.evicted().empty()) return exit_code;
    options.evicted = runner.evicted();
    options.joins = true;
    options.on_ready = {};
  }
}

/// The exit code.
std::expected<int, SupervisorError> run(const SupervisorOptions& options) {
  if (options.node_count == 0 || options.shard_count == 0)
    return std::unexpected(SupervisorError{
        "A fabric needs at least one node and one shard.", "Give a larger number, such as --nodes 4.", {}});
  const RunPaths paths(options.run_directory.empty() ? options.project_directory : options.run_directory);
  EPIC_TRY(prepare_directories(paths));
  const auto lock = EPIC_TRY(ProjectLock::try_take(paths.lock));
  remove_run_files(lock.directory());
  const auto janitor = EPIC_TRY(Janitor::hire(paths));
  const auto number = EPIC_TRY(count_run(paths));
  const auto logs = EPIC_TRY(LogHub::open(paths.logs, number, std::chrono::system_clock::now()));
  if (options.on_log) logs->follow(options.on_log);
  ModuleCopies modules(options.module_path, paths.run, paths.modules);
  int exit_code = kExitOk;
  if (options.coordination.empty()) {
    auto module = EPIC_TRY(modules.take());
    exit_code = FabricRunner(options, paths, lock.directory(), number, *logs, modules, std::move(module)).run();
  } else {
    exit_code = run_machine(options, paths, lock.directory(), *logs, modules);
  }
  remove_run_files(lock.directory());
  return exit_code;
}

}  // namespace

int run_supervisor(const SupervisorOptions& options) {
  const IgnoreSigpipe ignore_sigpipe;
  const auto exit_code = run(options);
  if (exit_code) return *exit_code;
  if (options.on_error) options.on_error(exit_code.error());
  return kExitFailed;
}

}  // namespace epic::cluster
