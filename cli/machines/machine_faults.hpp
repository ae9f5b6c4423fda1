#pragma once
// MachineFaults: what can go wrong with machines, done on purpose to those of local_machines.hpp.

#include <string>

#include "cli/output/failure.hpp"
#include "cli/project/machine_paths.hpp"

namespace epic::cli {

/// Drops what the two send to each other, or only what `from` sends to `to`. Either may be "database".
[[nodiscard]] Result<void> cut_machines(const MachinePaths& paths, const std::string& from, const std::string& to,
                                        bool is_one_way);
/// Restores what was cut, and has those started that have died.
[[nodiscard]] Result<void> heal_machines(const MachinePaths& paths);
/// SIGKILL to its supervisor, with which its nodes end. Returns the pid.
[[nodiscard]] Result<int> kill_machine(const MachinePaths& paths, const std::string& name);

}  // namespace epic::cli
