#pragma once
// LocalMachines: several machines of one fabric on this computer, for a rehearsal of what happens when one dies or is
// cut off. Each is a supervisor with its nodes; as root, each has a network of its own (private_network.hpp).
//
// They share a database below `.epic` (private_postgres.hpp), or that which EPIC_STORE names; never that of epic.toml,
// which may be one of real users. All end with this process.
// A machine that has ended for another reason than a stop stays away until it is started again; a stop of A stops all.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/output/console.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

struct LocalMachinesPlan {
  std::size_t count = 3;
  std::filesystem::path epic;                   // this program
  std::int64_t nodes = 4;                       // of each
  std::vector<std::string> run_arguments = {};  // of `epic run`, for each
};

/// Runs them until all have stopped, or a signal asks for it. SIGUSR1 starts those that have died. Call it on the main
/// thread, in a process without others.
Outcome run_local_machines(Console& console, const Project& project, const LocalMachinesPlan& plan);
/// The same in a process of its own, which outlives this one and its terminal. Returns when all nodes are ready.
Outcome run_local_machines_detached(Console& console, const Project& project, const LocalMachinesPlan& plan);

}  // namespace epic::cli
