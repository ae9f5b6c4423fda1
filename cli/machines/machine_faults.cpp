#include "cli/machines/machine_faults.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <optional>

#include "cli/machines/private_network.hpp"
#include "cli/machines/private_postgres.hpp"
#include "cli/project/process_end.hpp"
#include "cluster/supervisor/run_paths.hpp"

namespace epic::cli {
namespace {

constexpr const char* kDatabase = "database";

/// Empty: the database.
Result<std::optional<std::size_t>> find_end(const std::string& name, std::size_t count) {
  if (name == kDatabase) return std::nullopt;
  return EPIC_TRY(machine_named(name, count));
}

}  // namespace

Result<void> cut_machines(const MachinePaths& paths, const std::string& from, const std::string& to, bool is_one_way) {
  const auto keeper = EPIC_TRY(get_machine_keeper(paths));
  const auto first = EPIC_TRY(find_end(from, keeper.count));
  const auto second = EPIC_TRY(find_end(to, keeper.count));
  const PrivateNetwork network(paths.project);
  if (first == second)
    return fail({.code = ExitCode::usage, .what = fmt::format("{} cannot be cut off from itself", from)});
  if (!network.exists())
    return fail({.what = "the machines have no network that could be cut",
                 .why = "they were not started as root",
                 .help = {"stop them, and start them with 'sudo epic run --machines'"}});
  if (first && second) {
    EPIC_TRY(network.cut(*first, *second));
    return is_one_way ? Result<void>() : network.cut(*second, *first);
  }
  if (is_one_way)
    return fail({.code = ExitCode::usage, .what = "a machine is cut off from the database in both directions only"});
  if (keeper.store != PrivatePostgres::local_url(paths.postgres))
    return fail(
        {.what = "the database is not in the network of the machines", .why = "it is the one that EPIC_STORE names"});
  return network.cut_database(first ? *first : *second);
}

Result<void> heal_machines(const MachinePaths& paths) {
  const auto keeper = EPIC_TRY(get_machine_keeper(paths));
  const PrivateNetwork network(paths.project);
  for (std::size_t machine = 0; machine < keeper.count && network.exists(); ++machine) EPIC_TRY(network.heal(machine));
  if (::kill(keeper.pid, SIGUSR1) != 0)
    return fail({.what = fmt::format("cannot reach process {}, which starts machines", keeper.pid)});
  return {};
}

Result<int> kill_machine(const MachinePaths& paths, const std::string& name) {
  const auto keeper = EPIC_TRY(get_machine_keeper(paths));
  const std::size_t machine = EPIC_TRY(machine_named(name, keeper.count));
  const int pid = find_holder(cluster::RunPaths(paths.directory(machine)).lock).value_or(0);
  const ProcessEnd end(pid);
  if (pid == 0 || end.wait(std::chrono::milliseconds(0)) || ::kill(pid, SIGKILL) != 0)
    return fail({.code = ExitCode::not_found,
                 .what = fmt::format("machine {} does not run", name),
                 .help = {"start it with 'epic heal'"}});
  constexpr std::chrono::seconds kTimeout(5);  // the system has memory to free, no more
  static_cast<void>(end.wait(kTimeout));
  return pid;
}

}  // namespace epic::cli
