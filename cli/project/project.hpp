#pragma once
// Project: a directory with an epic.toml, and the paths in it.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "cli/project/manifest.hpp"
#include "files/private_files.hpp"
#include "storage/store_address.hpp"

namespace epic::cli {

struct Connection;

struct ProjectPaths {
  explicit ProjectPaths(std::filesystem::path directory) : root(std::move(directory)), run_root(root) {}

  std::filesystem::path root;
  std::string joined_at;           // HOST:PORT of a machine of the fabric that this one has joined; empty: none
  std::filesystem::path run_root;  // where `.epic` is: elsewhere for a machine that has joined (joined_project())
  storage::StoreAddress store;     // known to load_project() only
  std::shared_ptr<Connection> connection;  // to a fabric elsewhere, by which there is no directory; null: there is
  std::function<void(std::string_view)> on_waiting;  // what a request to the fabric waits for; empty: nobody is told

  [[nodiscard]] std::filesystem::path manifest() const {
    return joined_at.empty() ? root / "epic.toml" : state() / "joined.toml";
  }
  [[nodiscard]] std::filesystem::path build() const { return root / "build"; }
  [[nodiscard]] std::filesystem::path build_log() const { return build() / "epic-build.log"; }
  [[nodiscard]] std::filesystem::path module(std::string_view name) const;  // the shared library that nodes load
  [[nodiscard]] std::filesystem::path module_types(
      std::string_view name) const;  // its description by epic-node --describe
  [[nodiscard]] std::filesystem::path test_names() const { return build() / "epic-tests.txt"; }
  [[nodiscard]] std::filesystem::path scenario_names() const { return build() / "epic-scenarios.txt"; }
  // Lists that CMake writes, one entry a line.
  [[nodiscard]] std::filesystem::path test_programs() const { return build() / "epic-test-programs.txt"; }
  [[nodiscard]] std::filesystem::path module_names() const { return build() / "epic-modules.txt"; }
  [[nodiscard]] std::filesystem::path client_programs() const { return build() / "epic-clients.txt"; }
  [[nodiscard]] std::filesystem::path state() const { return run_root / ".epic"; }
  [[nodiscard]] bool has_joined() const { return run_root != root || !joined_at.empty(); }
  [[nodiscard]] std::filesystem::path control_socket() const { return state() / "control.sock"; }
  [[nodiscard]] std::filesystem::path logs() const { return state() / "logs"; }
};

struct Project {
  ProjectPaths paths;
  Manifest manifest;
};

/// What the supervisor of `directory` has joined: the directory of a project on this machine, or HOST:PORT of a
/// machine; as remember_joined() has noted; empty: nothing.
Result<std::optional<std::string>> joined_project(const std::filesystem::path& directory);
Result<void> remember_joined(const std::filesystem::path& directory, const std::string& what);
/// The settings of a fabric at `address`, of which `directory` becomes a machine.
Result<Project> join_machine(const std::filesystem::path& directory, const std::string& address,
                             const std::string& manifest);

/// The same project, run with these settings.
[[nodiscard]] Project with_settings(ProjectPaths paths, Manifest manifest);

Failure failure_of(const files::Refusal& refusal);
/// Refuses a `.epic` that others than this user may use. One that does not exist is fine.
Result<void> check_state_directory(const ProjectPaths& paths);

/// The directory of the nearest epic.toml, in `start` or above it, or that of the project that a machine which runs
/// there has joined. Commands run what lies in a project. So one above
/// `start`, which the user has not named, is refused if it belongs to another user than that and root. In any project,
/// what commands run or load is refused if everyone may write to it, or if it belongs to another user than this one,
/// root, the owner of the project's directory, and the members of its group if they may write there.
Result<ProjectPaths> find_project(const std::filesystem::path& start);
/// There is one that find_project() finds, or refuses.
[[nodiscard]] bool is_in_project(const std::filesystem::path& start);
/// find_project() and its manifest.
Result<Project> load_project(const std::filesystem::path& start);

}  // namespace epic::cli
