#include "cli/project/install_paths.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

// The source tree of a build tree; empty if `build` is not one.
fs::path source_of(const fs::path& build) {
  std::ifstream cache(build / "CMakeCache.txt");
  constexpr std::string_view kEntry = "CMAKE_HOME_DIRECTORY:INTERNAL=";
  for (std::string line; std::getline(cache, line);)
    if (line.starts_with(kEntry)) return line.substr(kEntry.size());
  return {};
}

Result<fs::path> first_existing(const std::vector<fs::path>& places, std::string_view what, std::string_view variable,
                                std::string reinstall) {
  std::error_code ignored;
  for (const fs::path& place : places)
    if (fs::exists(place, ignored)) return place;
  std::string looked;
  for (const fs::path& place : places) looked += fmt::format("{}{}", looked.empty() ? "" : "\n", place.string());
  return fail(
      {.code = ExitCode::failed,
       .what = fmt::format("cannot find {}", what),
       .why = "looked for\n" + looked,
       .help = {std::move(reinstall), fmt::format("or set its path in the environment variable {}", variable)}});
}

}  // namespace

InstallPaths InstallPaths::find() {
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  return InstallPaths(std::move(self));
}

InstallPaths::InstallPaths(fs::path executable) : executable_(std::move(executable)) {
  const fs::path up = executable_.parent_path().parent_path();
  source_tree_ = source_of(up);
  if (source_tree_.empty())
    prefix_ = up;
  else
    build_tree_ = up;
}

Result<fs::path> InstallPaths::node() const {
  std::vector<fs::path> places;
  if (const char* named = std::getenv("EPIC_NODE"); named && *named)
    places.emplace_back(named);
  else if (!prefix_.empty())
    places = {prefix_ / "libexec/epic/epic-node"};
  else
    places = {build_tree_ / "runtime/epic-node"};
  return first_existing(places, "epic-node, the program that nodes run,", "EPIC_NODE", how_to_reinstall());
}

Result<fs::path> InstallPaths::templates() const {
  std::vector<fs::path> places;
  if (const char* named = std::getenv("EPIC_TEMPLATES"); named && *named)
    places.emplace_back(named);
  else if (!prefix_.empty())
    places = {prefix_ / "share/epic/templates"};
  else
    places = {source_tree_ / "templates"};
  return first_existing(places, "the directory of project templates", "EPIC_TEMPLATES", how_to_reinstall());
}

bool InstallPaths::is_debian_package() const {
  std::error_code ignored;
  return prefix_ == "/usr" && fs::exists("/var/lib/dpkg/info/epic.list", ignored);
}

std::string InstallPaths::how_to_reinstall() const {
  return is_debian_package() ? "reinstall its package: 'apt install --reinstall ./epic_" EPIC_VERSION "_amd64.deb'"
                             : "reinstall epic with './bootstrap install' in its source tree";
}

fs::path InstallPaths::cmake_package() const {
  std::error_code ignored;
  if (prefix_.empty()) return {};
  std::vector<fs::path> places = {prefix_ / "lib/cmake/epic", prefix_ / "lib64/cmake/epic"};
  for (const auto& entry : fs::directory_iterator(prefix_ / "lib", ignored))  // Debian's lib/x86_64-linux-gnu
    if (entry.is_directory(ignored)) places.push_back(entry.path() / "cmake/epic");
  for (const fs::path& place : places)
    if (fs::exists(place / "epicConfig.cmake", ignored)) return place;
  return {};
}

}  // namespace epic::cli
