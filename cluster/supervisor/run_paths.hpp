#pragma once
// RunPaths: where a running fabric keeps its files, all below <project>/.epic.

#include <expected>
#include <filesystem>
#include <string>

#include "cluster/control/supervisor_error.hpp"
#include "kernel/ids.hpp"

namespace epic::cluster {

struct RunPaths {
  std::filesystem::path directory;       // .epic
  std::filesystem::path lock;            // supervisor.lock: held, with the pid inside, while a supervisor lives
  std::filesystem::path run_count;       // how often the fabric was started
  std::filesystem::path control_socket;  // control.sock
  std::filesystem::path machine_socket;  // machine.sock: where links of other machines come in
  std::filesystem::path run;             // run/: the nodes' sockets, and the copies of the module
  std::filesystem::path modules;         // modules/: copies of modules that came from other machines
  std::filesystem::path logs;            // logs/

  explicit RunPaths(const std::filesystem::path& project_directory);
  [[nodiscard]] std::filesystem::path node_socket(kernel::NodeId node) const;
};

/// Makes the directories, and checks that they can be written, and by this user alone.
[[nodiscard]] std::expected<void, SupervisorError> prepare_directories(const RunPaths& paths);

/// Removes the sockets and the copies of the module from this `.epic`. Only for the holder of its lock.
void remove_run_files(const files::Directory& directory);

/// Counts this start of the fabric: larger than all before it, even after a crash. Only for the holder of the lock.
[[nodiscard]] std::expected<std::uint64_t, SupervisorError> count_run(const RunPaths& paths);

}  // namespace epic::cluster
