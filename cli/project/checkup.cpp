#include "cli/project/checkup.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cli/output/humanize.hpp"
#include "cli/project/project.hpp"
#include "cli/project/subprocess.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

using State = Finding::State;

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

// The first number of a version line such as "Debian clang version 19.1.7 (3)"; 0 if there is none.
int major_version(std::string_view line) {
  const std::size_t at = line.find_first_of("0123456789");
  return at == std::string_view::npos ? 0 : std::atoi(std::string(line.substr(at)).c_str());
}

Finding check_tool(const std::string& program, std::string_view package, int major_min, State otherwise) {
  const fs::path path = find_program(program);
  const std::string fix = fmt::format("apt-get install {}", package);
  if (path.empty()) return {otherwise, program, "not on PATH", fix};
  const auto end = run_subprocess({.program = path, .arguments = {"--version"}});
  if (!end || end->exit_code != 0) return {otherwise, program, fmt::format("cannot run {}", path.string()), fix};
  const std::string version = first_line(end->out);
  if (major_version(version) < major_min)
    return {otherwise, program, fmt::format("{}, but {} or newer is required", version, major_min), fix};
  return {State::ok, program, fmt::format("{}, {}", version, path.string())};
}

Finding check_node(const InstallPaths& install) {
  const auto path = install.node();
  if (!path) return {State::broken, "epic-node", "not found; " + path.error().why, path.error().help.front()};
  const auto end = run_subprocess({.program = *path, .arguments = {"--version"}});
  const std::string expected = "epic-node " EPIC_VERSION;
  const std::string fix = install.how_to_reinstall();
  if (!end || end->exit_code != 0)
    return {State::broken, "epic-node", fmt::format("cannot run {}", path->string()), fix};
  const std::string line = first_line(end->out);
  if (line != expected && !line.starts_with(expected + " "))
    return {State::broken, "epic-node",
            fmt::format("{} reports \"{}\", but this is epic {}", path->string(), line, EPIC_VERSION), fix};
  return {State::ok, "epic-node", fmt::format("{}, {}", EPIC_VERSION, path->string())};
}

Finding check_templates(const InstallPaths& install) {
  const auto path = install.templates();
  if (!path) return {State::broken, "templates", "not found; " + path.error().why, path.error().help.front()};
  return {State::ok, "templates", path->string()};
}

Finding check_package(const InstallPaths& install) {
  if (install.prefix().empty())
    return {State::warning, "CMake package", "this epic runs from its build tree, which has none",
            "build projects with an installed epic: './bootstrap install'"};
  const fs::path path = install.cmake_package();
  if (path.empty())
    return {State::broken, "CMake package", fmt::format("no epicConfig.cmake below {}", install.prefix().string()),
            install.how_to_reinstall()};
  return {State::ok, "CMake package", path.string()};
}

// Whether each file of the Debian package is as it was installed.
Finding check_debian_files(const InstallPaths& install) {
  const std::string what = "Debian package";
  const auto end = run_subprocess({.program = "dpkg", .arguments = {"--verify", "epic"}});
  if (!end) return {State::warning, what, "dpkg cannot be run"};
  std::vector<std::string> files;  // a line is "??5??????   /usr/bin/epic" or "missing     /usr/bin/epic"
  for (std::string_view rest = end->out; !rest.empty();) {
    const std::string line = first_line(rest);
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (const auto path = line.find('/'); path != std::string::npos) files.push_back(line.substr(path));
  }
  if (files.empty()) return {State::ok, what, "every file is as it was installed"};
  return {State::warning, what,
          fmt::format("{} missing or changed: {}{}", count_of(files.size(), "file", "files"), files.front(),
                      files.size() > 1 ? " …" : ""),
          install.how_to_reinstall()};
}

fs::path nearest_existing(fs::path path) {
  std::error_code ignored;
  while (!fs::exists(path, ignored) && path.has_parent_path()) path = path.parent_path();
  return path;
}

}  // namespace

Finding check_writable(const fs::path& wanted, std::string what) {
  const fs::path existing = nearest_existing(wanted);
  if (::access(existing.c_str(), fs::is_directory(existing) ? W_OK | X_OK : W_OK) == 0)
    return {State::ok, std::move(what), wanted.string()};
  const int error = errno;
  const std::string found =
      fmt::format("{} is not writable: {}", existing.string(), std::generic_category().message(error));
  if (error == EROFS)
    return {State::broken, std::move(what), found,
            fmt::format("mount -o remount,rw $(findmnt -no TARGET -T {})", existing.string())};
  if (error == EPERM) return {State::broken, std::move(what), found, fmt::format("chattr -i {}", existing.string())};
  return {State::broken, std::move(what), found, fmt::format("chown -R $USER {}", existing.string())};
}

namespace {

Finding check_space(const fs::path& wanted) {
  const fs::path directory = nearest_existing(wanted);
  struct statvfs space{};
  if (::statvfs(directory.c_str(), &space) != 0)
    return {State::warning, "disk space", fmt::format("unknown: {}", std::generic_category().message(errno))};
  const auto free_bytes = static_cast<std::int64_t>(space.f_bavail) * static_cast<std::int64_t>(space.f_frsize);
  constexpr std::int64_t kEnough = 256LL << 20;
  const std::string found = fmt::format("{} free", human_bytes(free_bytes));
  if (free_bytes < kEnough)
    return {State::warning, "disk space", found, fmt::format("free space on the disk of {}", directory.string())};
  return {State::ok, "disk space", found};
}

/// A fabric keeps its state from other users, so it refuses a directory that another one owns.
Finding check_state_directory_of(const ProjectPaths& paths) {
  if (const auto ours = check_state_directory(paths); !ours)
    return {State::broken, "state directory", ours.error().what, ours.error().help.front()};
  return check_writable(paths.state(), "state directory");
}

void check_project(const Result<ProjectPaths>& paths, std::vector<Finding>& findings) {
  if (!paths) {
    if (paths.error().code == ExitCode::usage)
      findings.push_back({State::ok, "project", "not in a project"});
    else
      findings.push_back({State::broken, "project", paths.error().what, paths.error().help.front()});
    return;
  }
  const auto manifest = read_manifest(paths->manifest());
  if (manifest)
    findings.push_back(
        {State::ok, "epic.toml", fmt::format("{}, {} nodes", paths->manifest().string(), manifest->nodes)});
  else
    findings.push_back(
        {State::broken, "epic.toml", manifest.error().what, fmt::format("edit {}", paths->manifest().string())});
  findings.push_back(check_state_directory_of(*paths));
  findings.push_back(check_writable(paths->build(), "build directory"));
  findings.push_back(check_space(paths->state()));
}

}  // namespace

std::vector<Finding> check_up(const InstallPaths& install, const Result<ProjectPaths>& paths) {
  std::vector<Finding> findings;
  findings.push_back({State::ok, "epic", fmt::format("{}, {}", EPIC_VERSION, install.executable().string())});
  findings.push_back(check_tool("clang++-19", "clang-19", 19, State::broken));
  findings.push_back(check_tool("cmake", "cmake", 3, State::broken));
  findings.push_back(check_tool("ninja", "ninja-build", 1, State::warning));
  findings.push_back(check_tool("git", "git", 0, State::warning));
  findings.push_back(check_node(install));
  findings.push_back(check_templates(install));
  findings.push_back(check_package(install));
  if (install.is_debian_package()) findings.push_back(check_debian_files(install));
  check_project(paths, findings);
  return findings;
}

}  // namespace epic::cli
