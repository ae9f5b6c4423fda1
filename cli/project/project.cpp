#include "cli/project/project.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

#include "cli/project/machine_paths.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

Result<void> check_owner(const ProjectPaths& paths) {
  struct stat status{};
  if (::stat(paths.root.c_str(), &status) != 0 || status.st_uid == ::geteuid() || status.st_uid == 0) return {};
  return fail({.what = fmt::format("{} belongs to user {}, and this is user {}", paths.root.string(), status.st_uid,
                                   ::geteuid()),
               .why = "what they put into the project would run as this user",
               .help = {fmt::format("run epic as that user, or if you trust them, in that directory, or with 'epic -C "
                                    "{} …'",
                                    paths.root.string())}});
}

struct Part {
  fs::path path;
  mode_t kind;  // S_IFREG, S_IFDIR
};

Result<void> check_part(const Part& part, const struct stat& root, const struct stat& found) {
  const std::string path = part.path.string();
  const bool is_of_group = (root.st_mode & S_IWGRP) != 0 && found.st_gid == root.st_gid;
  if (found.st_uid != ::geteuid() && found.st_uid != root.st_uid && found.st_uid != 0 && !is_of_group)
    return fail({.what = fmt::format("{} belongs to user {}, and this is user {}", path, found.st_uid, ::geteuid()),
                 .why = "what they put there would run as this user",
                 .help = {fmt::format("remove it, or run epic as user {}", found.st_uid)}});
  if (S_ISLNK(found.st_mode)) return {};
  if ((found.st_mode & S_IWOTH) != 0)
    return fail({.what = fmt::format("every user may write to {}", path),
                 .why = "what they put there would run as this user",
                 .help = {fmt::format("check what is in the project, then 'chmod o-w {}'", path)}});
  if (part.kind == S_IFREG && !S_ISREG(found.st_mode))
    return fail({.what = fmt::format("{} is not a file", path), .help = {"remove it"}});
  return {};
}

/// Commands run what lies in a project: its directory's owner decides what that is, and the group if it may write.
Result<void> check_parts(const ProjectPaths& paths, std::initializer_list<Part> parts) {
  struct stat root{};
  if (::stat(paths.root.c_str(), &root) != 0) return {};
  for (const Part& part : parts) {
    struct stat found{};
    if (::lstat(part.path.c_str(), &found) == 0) EPIC_TRY(check_part(part, root, found));
    if (::stat(part.path.c_str(), &found) == 0) EPIC_TRY(check_part(part, root, found));
  }
  return {};
}

}  // namespace

fs::path ProjectPaths::module(std::string_view name) const { return build() / "modules" / fmt::format("{}.so", name); }

fs::path ProjectPaths::module_types(std::string_view name) const {
  return build() / "modules" / fmt::format("{}.types.json", name);
}

namespace {

fs::path joined_file(const fs::path& directory) { return directory / ".epic" / "joined"; }

}  // namespace

Result<std::optional<std::string>> joined_project(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(joined_file(directory), error))) return std::nullopt;
  if (const auto checked = files::check_directory(directory / ".epic"); !checked)
    return fail(failure_of(checked.error()));
  const auto text = files::read_file(joined_file(directory));
  if (!text) return fail(failure_of(text.error()));
  return text->substr(0, text->find('\n'));
}

Result<void> remember_joined(const fs::path& directory, const std::string& what) {
  if (const auto made = files::make_directory(directory / ".epic"); !made) return fail(failure_of(made.error()));
  if (const auto written = files::replace_file(joined_file(directory), what + "\n"); !written)
    return fail(failure_of(written.error()));
  return {};
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

namespace {

Result<ProjectPaths> checked_project(const fs::path& directory, const std::string& joined_at = {}) {
  ProjectPaths paths(directory);
  paths.joined_at = joined_at;
  EPIC_TRY(check_parts(paths, {{paths.root, S_IFDIR},
                               {paths.manifest(), S_IFREG},
                               {paths.root / "CMakeLists.txt", S_IFREG},
                               {paths.build(), S_IFDIR},
                               {paths.build() / "CMakeCache.txt", S_IFREG},
                               {paths.build() / "modules", S_IFDIR}}));
  return paths;
}

}  // namespace

Result<ProjectPaths> find_project(const fs::path& start) {
  std::error_code error;
  const fs::path from = fs::weakly_canonical(start, error);
  if (error || !fs::is_directory(from, error))
    return fail({.code = ExitCode::usage, .what = fmt::format("the directory {} does not exist", start.string())});
  for (fs::path directory = from;; directory = directory.parent_path()) {
    if (fs::exists(directory / "epic.toml", error)) {
      if (directory != from) EPIC_TRY(check_owner(ProjectPaths(directory)));
      return checked_project(directory);
    }
    if (const auto joined = EPIC_TRY(joined_project(directory))) {
      if (!joined->starts_with('/')) return checked_project(directory, *joined);
      ProjectPaths paths = EPIC_TRY(checked_project(*joined));
      paths.run_root = directory;
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

bool is_in_project(const fs::path& start) {
  std::error_code error;
  for (fs::path directory = fs::weakly_canonical(start, error);; directory = directory.parent_path()) {
    if (fs::exists(directory / "epic.toml", error)) return true;
    if (fs::exists(fs::symlink_status(joined_file(directory), error))) return true;
    if (directory == directory.parent_path()) return false;
  }
}

Project with_settings(ProjectPaths paths, Manifest manifest) {
  paths.store = storage::locate_store(manifest.store, paths.root / ".epic");
  return {std::move(paths), std::move(manifest)};
}

Result<Project> load_project(const fs::path& start) {
  auto paths = EPIC_TRY(find_project(start));
  auto manifest = EPIC_TRY(read_manifest(paths.manifest()));
  EPIC_TRY(check_parts(paths, {{paths.module(manifest.module), S_IFREG}}));
  // Their store, as it is reached from here.
  if (const auto keeper = find_machine_keeper(MachinePaths(paths.root)); keeper && !std::getenv("EPIC_STORE"))
    manifest.store = keeper->store;
  return with_settings(std::move(paths), std::move(manifest));
}

Result<Project> join_machine(const fs::path& directory, const std::string& address, const std::string& text) {
  ProjectPaths paths(directory);
  paths.joined_at = address;
  auto manifest = EPIC_TRY(parse_manifest(text, fmt::format("epic.toml of {}", address)));
  EPIC_TRY(remember_joined(directory, address));
  if (const auto written = files::replace_file(paths.manifest(), text); !written)
    return fail(failure_of(written.error()));
  return with_settings(std::move(paths), std::move(manifest));
}

}  // namespace epic::cli
