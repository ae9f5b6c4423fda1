#include "cli/machines/local_machines.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>

#include "cli/fabric/live_fabric.hpp"
#include "cli/machines/child.hpp"
#include "cli/machines/private_network.hpp"
#include "cli/machines/private_postgres.hpp"
#include "cli/project/machine_paths.hpp"
#include "cluster/supervisor/project_lock.hpp"
#include "files/private_files.hpp"
#include "io/random.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace asio = boost::asio;
namespace {

constexpr int kLookIntervalMs = 100;
constexpr std::chrono::seconds kHealing{15};

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by SIG{}", ::sigabbrev_np(WTERMSIG(status)));
  return fmt::format("has ended with exit code {}", WEXITSTATUS(status));
}

Result<void> make_directory(const fs::path& path) {
  const auto made = files::make_directory(path);
  return made ? Result<void>() : fail(failure_of(made.error()));
}

Result<void> make_root(const MachinePaths& paths) {
  EPIC_TRY(make_directory(paths.root.parent_path()));
  return make_directory(paths.root);
}

std::string draw_secret() {
  std::string secret;
  for (int i = 0; i < 4; ++i) secret += fmt::format("{:016x}", io::random_id());
  return secret;
}

class LocalMachines {
 public:
  LocalMachines(Console& console, const Project& project, const LocalMachinesPlan& plan)
      : console_(console), project_(project), plan_(plan), paths_(project.paths.root), network_(project.paths.root) {}
  LocalMachines(const LocalMachines&) = delete;
  LocalMachines& operator=(const LocalMachines&) = delete;
  ~LocalMachines() {
    if (lock_) lock_->directory().remove(paths_.store.filename());
    if (has_network_) network_.remove();
  }

  Result<void> start() {
    EPIC_TRY(make_root(paths_));
    auto lock = cluster::ProjectLock::try_take(paths_.lock);
    if (!lock) return fail({.what = lock.error().message, .help = {lock.error().hint}});
    lock_.emplace(*std::move(lock));
    for (std::size_t machine = 1; machine < plan_.count; ++machine) EPIC_TRY(make_directory(paths_.directory(machine)));
    for (std::size_t machine = plan_.count; machine < kMachinesMax; ++machine)  // of an earlier run with more
      lock_->directory().remove_tree(paths_.directory(machine).filename());
    if (const std::string why = PrivateNetwork::why_not(); why.empty()) {
      EPIC_TRY(network_.make(plan_.count, paths_.root));
      has_network_ = true;
      if (const auto written = files::replace_file(paths_.secret, draw_secret() + "\n"); !written)
        return fail(failure_of(written.error()));
    } else {
      console_.note(fmt::format("The machines share one network, so 'epic cut' has nothing to cut: {}.", why));
    }
    EPIC_TRY(start_database());
    for (std::size_t machine = 0; machine < plan_.count; ++machine) EPIC_TRY(start_machine(machine));
    return {};
  }

  Outcome run() {
    signals_.add(SIGHUP);  // of the terminal
    listen_to_signals();
    context_.run();
    return is_failed_ ? ExitCode::failed : ExitCode::ok;
  }

 private:
  struct Machine {
    std::optional<boost::process::v2::process> process;
    bool has_left = false;
  };

  /// What children find in their environment comes before epic.toml.
  Result<void> start_database() {
    std::string url = project_.manifest.store;
    if (std::getenv("EPIC_STORE") == nullptr) {
      PostgresPlace place{.directory = paths_.postgres};
      if (has_network_) {
        place.network = network_.database_place();
        place.address = PrivateNetwork::database_address();
        place.clients = PrivateNetwork::addresses();
      }
      console_.progress("Starting PostgreSQL …");
      postgres_.emplace(EPIC_TRY(PrivatePostgres::start(context_, place)));
      postgres_->process().async_wait([this](boost::process::v2::error_code, int) { on_database_end(); });
      url = PrivatePostgres::local_url(paths_.postgres);
      ::setenv("EPIC_STORE", has_network_ ? PrivatePostgres::network_url(place.address).c_str() : url.c_str(), 1);
    }
    ::setenv("EPIC_COORDINATION", "postgresql", 0);
    if (const auto written = files::replace_file(paths_.store, url + "\n"); !written)
      return fail(failure_of(written.error()));
    return {};
  }

  Result<void> start_machine(std::size_t machine) {
    ChildPlan child{.command = {plan_.epic, "run", "--machine", machine_letter(machine)},
                    .directory = paths_.directory(machine),
                    .signal_at_end = SIGTERM};
    if (machine != 0) {
      child.command.insert(child.command.end(), {"--join", project_.paths.root});
      child.log = paths_.log(machine);
    }
    child.command.insert(child.command.end(), plan_.run_arguments.begin(), plan_.run_arguments.end());
    if (has_network_) {
      child.network = network_.place(machine);
      child.command.insert(child.command.end(),
                           {"--listen", PrivateNetwork::address(machine), "--secret-file", paths_.secret});
    }
    machines_[machine].process.emplace(EPIC_TRY(start_child(context_, child)));
    machines_[machine].process->async_wait([this, machine](boost::process::v2::error_code, int) { on_end(machine); });
    return {};
  }

  void on_end(std::size_t machine) {
    const int status = machines_[machine].process->native_exit_code();
    machines_[machine].process.reset();
    machines_[machine].has_left = status == 0;
    const bool has_ended_itself = WIFEXITED(status) && status != 0;
    if (has_ended_itself && !is_stopping_ && std::chrono::steady_clock::now() < healing_until_) {
      if (const auto started = start_machine(machine); !started) console_.error(started.error());
      return;
    }
    if (status != 0 && !is_stopping_)
      console_.warn(fmt::format("machine {} {}; 'epic heal' starts it again{}", machine_letter(machine),
                                describe_end(status),
                                machine == 0 ? "" : ". Its messages are in " + relative(paths_.log(machine)).string()));
    if (machine == 0 && status == 0) stop();
    bool has_any = false;
    bool has_died = false;
    for (std::size_t i = 0; i < plan_.count; ++i) {
      has_any |= machines_[i].process.has_value();
      has_died |= !machines_[i].process && !machines_[i].has_left;
    }
    if (has_any) return;
    is_failed_ |= has_died;
    end();
  }

  void on_database_end() {
    if (is_ended_) return context_.stop();
    console_.error({.what = "the database of the machines has ended", .log = paths_.postgres / "postgres.log"});
    is_failed_ = true;
    postgres_.reset();
    stop();
  }

  void listen_to_signals() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      signal == SIGUSR1 ? start_again() : stop();
      listen_to_signals();
    });
  }

  /// A machine that was cut off from the database ends when it hears that it has lost its lease, which is now.
  void start_again() {
    healing_until_ = std::chrono::steady_clock::now() + kHealing;
    for (std::size_t machine = 0; machine < plan_.count && !is_stopping_; ++machine) {
      if (machines_[machine].process || machines_[machine].has_left) continue;
      if (const auto started = start_machine(machine); !started) console_.error(started.error());
    }
  }

  void stop() {
    is_stopping_ = true;
    for (auto& machine : machines_)
      if (machine.process) ::kill(machine.process->id(), SIGTERM);
  }

  void end() {
    is_ended_ = true;
    signals_.cancel();
    if (!postgres_) return context_.stop();
    postgres_->stop();
    console_.note(
        fmt::format("State is kept in {}, for the next 'epic run --machines'", relative(paths_.postgres).string()));
  }

  [[nodiscard]] fs::path relative(const fs::path& path) const { return path.lexically_relative(project_.paths.root); }

  Console& console_;
  const Project& project_;
  const LocalMachinesPlan& plan_;
  MachinePaths paths_;
  PrivateNetwork network_;
  bool has_network_ = false;
  std::optional<cluster::ProjectLock> lock_;
  asio::io_context context_{1};
  asio::signal_set signals_{context_, SIGINT, SIGTERM, SIGUSR1};
  std::optional<PrivatePostgres> postgres_;
  std::array<Machine, kMachinesMax> machines_;
  std::chrono::steady_clock::time_point healing_until_;  // a machine that ends is started again
  bool is_stopping_ = false;
  bool is_ended_ = false;
  bool is_failed_ = false;
};

/// How many nodes of the fabric are ready; 0 if that is not known.
std::int64_t count_ready(const ProjectPaths& paths) {
  const auto fabric = LiveFabric::find(paths);
  if (!fabric || !*fabric) return 0;
  const auto ps = const_cast<LiveFabric&>(**fabric).ask<control::Ps>();
  return ps ? std::ranges::count(ps->nodes, "ready", &control::Ps::Node::state) : 0;
}

}  // namespace

Outcome run_local_machines(Console& console, const Project& project, const LocalMachinesPlan& plan) {
  LocalMachines machines(console, project, plan);
  EPIC_TRY(machines.start());
  return machines.run();
}

Outcome run_local_machines_detached(Console& console, const Project& project, const LocalMachinesPlan& plan) {
  const MachinePaths paths(project.paths.root);
  const fs::path log = paths.log(0);
  EPIC_TRY(make_root(paths));
  const auto output = files::open_file(log, files::Use::replace);
  if (!output) return fail(failure_of(output.error()));
  const pid_t child = ::fork();
  if (child < 0) return fail({.what = "cannot start a process", .why = std::generic_category().message(errno)});
  if (child == 0) {
    ::setsid();
    ::dup2(output->get(), STDOUT_FILENO);
    ::dup2(output->get(), STDERR_FILENO);
    const Outcome outcome = run_local_machines(console, project, plan);
    if (!outcome) console.error(outcome.error());
    static_cast<void>(console.flush());
    ::_exit(static_cast<int>(outcome.value_or(ExitCode::failed)));
  }
  const std::int64_t wanted = static_cast<std::int64_t>(plan.count) * plan.nodes;
  while (count_ready(project.paths) < wanted) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child)
      return fail({.what = "the machines have ended while they started", .log = log});
    console.progress("Starting the machines …");
    ::poll(nullptr, 0, kLookIntervalMs);
  }
  console.note(
      fmt::format("{} is up: {} machines with {} nodes each. They go on without this terminal; 'epic stop' stops them.",
                  project.manifest.name, plan.count, plan.nodes));
  return ExitCode::ok;
}

}  // namespace epic::cli
