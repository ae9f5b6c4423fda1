#pragma once
// Build: makes a project's module with CMake, and knows when there is nothing to make. Its clients are built after it,
// if that is asked for; its tests are not built here.
//
// `epic build` always asks CMake. `epic run` first compares a listing of the project's files (path, time, size) with
// the one that the last good build left behind, which takes well under a millisecond, so that a built project starts at
// once. Files outside the project are not in the listing; `epic build` sees to those.
//
// After a build the module is described by epic-node: that loads it as a node will, so that a missing symbol or another
// version of epic shows here; what it says of types and methods is kept for suggestions and completions. Then it is
// compared with what the project's store holds: one that could not read it is taken out of its place again, and the
// former one is put back.

#include <filesystem>
#include <optional>
#include <vector>

#include "cli/project/cmake.hpp"

namespace epic::cli {

struct BuildOptions {
  /// Empty: as in the last build; the first is a release build.
  std::optional<BuildType> type = {};
  /// Return at once if the listing shows no changes.
  bool only_if_stale = false;
  /// Keep a module that cannot read all saved states.
  bool force = false;
  /// Build the programs of epic_add_client(), too. If one fails, the module has been built all the same.
  bool clients = false;
};

struct Built {
  std::filesystem::path module;
  std::vector<std::filesystem::path> clients = {};
  bool was_fresh = false;  // there was nothing to do
  std::chrono::milliseconds took{0};
};

/// Reports progress on the console; a failure has the compiler's errors, shortened, and the log's path.
Result<Built> build_project(const Context& context, const Project& project, const BuildOptions& options);

}  // namespace epic::cli
