#pragma once
// Joining: what a machine is to run: a project that is here, or a part of a fabric that runs on other machines.
//
// A machine that joins has a directory of its own, where `.epic` notes what it has joined; or it has a copy of the
// project. Settings and module come from the fabric in both cases. A copy of the project keeps what is its machine's:
// [cluster], and how many nodes it has.
//
// Not here: where a machine of the fabric is (fabric_search.hpp), who leads (cluster/supervisor/membership.hpp).

#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/parser/arguments.hpp"
#include "cli/project/context.hpp"
#include "transport/credential_files.hpp"

namespace epic::cli {

enum class ModuleFrom : std::uint8_t {
  build,    // the project's sources
  project,  // what has been built there
  fabric,
};

struct Target {
  Project project;
  ModuleFrom module = ModuleFrom::build;
  std::string own_address = {};  // by which a machine that was asked is reached; empty: none was
};

/// By the option --join, or else the project of the command's directory.
[[nodiscard]] Result<Target> find_target(Context& context, const Arguments& arguments);
/// If [cluster] machines of a project names a machine that runs its fabric, the target is to join it. Otherwise it is
/// as before: whether this machine leads then is up to the coordination, since others may start at the same time.
[[nodiscard]] Result<void> ask_listed(Context& context, const Arguments& arguments, Target& target);

/// Options before epic.toml, in which paths are relative to the project.
[[nodiscard]] Result<transport::CredentialPlace> find_credentials(const Arguments& arguments, const Manifest& manifest,
                                                                  const std::filesystem::path& root);
/// Other machines can join.
[[nodiscard]] Result<void> check_may_be_joined(const Project& project);

}  // namespace epic::cli
