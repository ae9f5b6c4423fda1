#include "cli/project/project.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "storage/open_store.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

Result<void> check_owner(const ProjectPaths& paths) {
  for (const fs::path& path : {paths.root, paths.manifest()}) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0 || status.st_uid == ::geteuid() || status.st_uid == 0) continue;
    return fail(
        {.what = fmt::format("{} belongs to user {}, and this is user {}", path.string(), status.st_uid, ::geteuid()),
         .why = "what they put into the project would run as this user",
         .help = {fmt::format("run epic as that user, or if you trust them, in that directory, or with 'epic -C {} …'",
                              paths.root.string())}});
  }
  return {};
}

/// Where everyone may write, somebody else can have made it first, with a cache whose commands CMake runs.
Result<void> check_build_owner(const ProjectPaths& paths) {
  struct stat root{};
  struct stat build{};
  if (::stat(paths.root.c_str(), &root) != 0 || (root.st_mode & S_IWOTH) == 0) return {};
  if (::lstat(paths.build().c_str(), &build) != 0) return {};
  if (build.st_uid == ::geteuid() || build.st_uid == root.st_uid || build.st_uid == 0) return {};
  return fail({.what = fmt::format("{} belongs to user {}, and this is user {}", paths.build().string(), build.st_uid,
                                   ::geteuid()),
               .why = "what they put there would run as this user",
               .help = {fmt::format("remove it, and let only its owner write to the project: 'chmod o-w {}'",
                                    paths.root.string())}});
}

}  // namespace

fs::path ProjectPaths::module(std::string_view name) const { return build() / "modules" / fmt::format("{}.so", name); }

fs::path ProjectPaths::module_types(std::string_view name) const {
  return build() / "modules" / fmt::format("{}.types.json", name);
}

Failure failure_of(const files::Refusal& refusal) {
  Failure failure{.what = refusal.message, .help = {refusal.hint}};
  while (failure.what.ends_with('.')) failure.what.pop_back();
  return failure;
}

Result<void> check_state_directory(const ProjectPaths& paths) {
  const auto checked = files::check_directory(paths.state());
  if (checked || checked.error().system_error == ENOENT) return {};
  return fail(failure_of(checked.error()));
}

Result<ProjectPaths> find_project(const fs::path& start) {
  std::error_code error;
  const fs::path from = fs::weakly_canonical(start, error);
  if (error || !fs::is_directory(from, error))
    return fail({.code = ExitCode::usage, .what = fmt::format("the directory {} does not exist", start.string())});
  for (fs::path directory = from;; directory = directory.parent_path()) {
    if (fs::exists(directory / "epic.toml", error)) {
      ProjectPaths paths(directory);
      if (directory != from) EPIC_TRY(check_owner(paths));
      EPIC_TRY(check_build_owner(paths));
      return paths;
    }
    if (directory == directory.parent_path()) break;
  }
  return fail({.code = ExitCode::usage,
               .what = "this is not an epic project",
               .why = fmt::format("there is no epic.toml in {} or above it", from.string()),
               .help = {"create a project with 'epic new arena', or change to its directory",
                        "or name its directory with 'epic -C DIR …'"}});
}

Result<Project> load_project(const fs::path& start) {
  auto paths = EPIC_TRY(find_project(start));
  auto manifest = EPIC_TRY(read_manifest(paths.manifest()));
  paths.store = storage::locate_store(manifest.store, paths.state());
  return Project{std::move(paths), std::move(manifest)};
}

}  // namespace epic::cli
