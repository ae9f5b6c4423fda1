#pragma once
// MachinePaths: the machines that `epic run --machines` makes of one computer. A runs in the project's directory, each
// other in a directory of its own below the project's `.epic`.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "cli/output/failure.hpp"

namespace epic::cli {

inline constexpr std::size_t kMachinesMax = 8;

struct MachinePaths {
  explicit MachinePaths(const std::filesystem::path& project_directory);

  std::filesystem::path project;
  std::filesystem::path root;      // .epic/machines
  std::filesystem::path lock;      // held, with its pid inside, by the process that keeps them
  std::filesystem::path store;     // the URL of their store, for commands outside of their network
  std::filesystem::path secret;    // of this run
  std::filesystem::path postgres;  // .epic/postgres

  /// Where its supervisor runs.
  [[nodiscard]] std::filesystem::path directory(std::size_t machine) const;
  /// Of what it prints. A prints where the process that keeps them does, and here if that is detached.
  [[nodiscard]] std::filesystem::path log(std::size_t machine) const;
};

/// "A".
[[nodiscard]] std::string machine_letter(std::size_t machine);

/// The process that holds a cluster::ProjectLock, whose file that is. The file stays when a process is killed, and
/// names nobody then, or some other process by now.
[[nodiscard]] std::optional<int> find_holder(const std::filesystem::path& lock);

/// The process that keeps a project's machines, while it does, and how many they are.
struct MachineKeeper {
  int pid = 0;
  std::size_t count = 0;
  std::string store;  // the URL in MachinePaths::store
};
[[nodiscard]] std::optional<MachineKeeper> find_machine_keeper(const MachinePaths& paths);
/// That there is one; a not_found failure otherwise.
[[nodiscard]] Result<MachineKeeper> get_machine_keeper(const MachinePaths& paths);
/// Of "B" or "b"; a not_found failure if it is none of `count`.
[[nodiscard]] Result<std::size_t> machine_named(const std::string& name, std::size_t count);

}  // namespace epic::cli
