#include "cli/project/cmake.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/algorithm/string/replace.hpp>
#include <fstream>
#include <sstream>

#include "cli/output/humanize.hpp"
#include "cli/project/subprocess.hpp"
#include "reflect/hash.hpp"
#include "reflect/utf8.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

std::string_view cmake_type(BuildType type) { return type == BuildType::debug ? "Debug" : "RelWithDebInfo"; }

// CMake, its modules, Ninja, the shell and the compiler each take some characters of a path for something of their own
// (';' '$' '[' '#' '%' …), and have limits for its length. These they all take as they are.
bool is_safe_for_cmake(std::string_view path) {
  constexpr std::size_t kPathBytesMax = 160;  // CMake wants object files below 250
  return path.size() <= kPathBytesMax && reflect::is_utf8(path) && std::ranges::all_of(path, [](char letter) {
           const bool is_letter = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
           const bool is_ascii = static_cast<unsigned char>(letter) < 0x80;
           return !is_ascii || is_letter || (letter >= '0' && letter <= '9') ||
                  std::string_view("/._-+,=@~ ").contains(letter);
         });
}

// The project's directory by a name that all of them can use: its own, or a link to it.
fs::path link_for_cmake(const Project& project) {
  const fs::path& root = project.paths.root;
  if (is_safe_for_cmake(root.string())) return root;
  return fmt::format("/tmp/epic-build-{}/{:016x}", ::getuid(), reflect::hash64(root.string()));
}

Result<fs::path> make_link_for_cmake(const Project& project) {
  const fs::path link = link_for_cmake(project);
  if (link == project.paths.root) return link;
  const auto cannot_make = [&](const files::Refusal& refusal) {
    Failure failure = failure_of(refusal);
    failure.code = ExitCode::build_failed;
    failure.why = fmt::format("CMake cannot take all characters of {}, so it would be built through a link there",
                              project.paths.root.string());
    failure.help = {"move the project to a shorter path of plain letters and digits",
                    fmt::format("or let root or its owner remove {}", link.parent_path().string())};
    return fail(std::move(failure));
  };
  if (const auto made = files::make_directory(link.parent_path()); !made) return cannot_make(made.error());
  const auto links = files::Directory::open(link.parent_path());
  if (!links) return cannot_make(links.error());
  if (const auto made = links->replace_link(link.filename().string(), project.paths.root.string()); !made)
    return cannot_make(made.error());
  return link;
}

// What CMake and the compiler say, with the project's own path.
std::string read_log(const Project& project) {
  std::string log = read_text(project.paths.build_log());
  if (const fs::path link = link_for_cmake(project); link != project.paths.root)
    boost::algorithm::replace_all(log, link.string(), project.paths.root.string());
  return log;
}

// A value that the build directory was configured with; empty if it was not configured.
std::string cached(const Project& project, std::string_view entry) {
  std::ifstream cache(project.paths.build() / "CMakeCache.txt");
  for (std::string line; std::getline(cache, line);)
    if (line.starts_with(entry) && line.size() > entry.size() && line[entry.size()] == ':')
      return line.substr(line.find('=') + 1);
  return {};
}

// A build directory that was copied or moved with its project belongs to the place where it was configured: it would
// build the sources there. One that was configured by another name than the link would mix the two.
void remove_foreign_build(const Project& project) {
  const std::string home = cached(project, "CMAKE_HOME_DIRECTORY");
  std::error_code ignored;
  const fs::path root = link_for_cmake(project);
  const bool is_linked = root != project.paths.root;
  if (home.empty() || (is_linked ? root == home : fs::equivalent(home, root, ignored))) return;
  fs::remove_all(project.paths.build(), ignored);
}

bool is_configured(const Project& project, const InstallPaths& install, std::string_view type) {
  const fs::path build = project.paths.build();
  if (!fs::exists(build / "build.ninja") && !fs::exists(build / "Makefile")) return false;
  const fs::path package = install.cmake_package();
  return cached(project, "CMAKE_BUILD_TYPE") == type &&
         (package.empty() || cached(project, "epic_DIR") == package.string());
}

std::vector<std::string> configure_arguments(const Project& project, const fs::path& root, const InstallPaths& install,
                                             std::string_view type) {
  std::vector<std::string> arguments = {"-S", root.string(), "-B", ProjectPaths(root).build().string(),
                                        fmt::format("-DCMAKE_BUILD_TYPE={}", type)};
  const bool first = !fs::exists(project.paths.build() / "CMakeCache.txt");
  if (first && !find_program("ninja").empty()) arguments.insert(arguments.end(), {"-G", "Ninja"});
  if (first && !find_program("clang++-19").empty()) arguments.emplace_back("-DCMAKE_CXX_COMPILER=clang++-19");
  if (const fs::path package = install.cmake_package(); !package.empty())
    arguments.push_back(fmt::format("-Depic_DIR={}", package.string()));
  return arguments;
}

// Ninja's latest "[3/7]", for progress.
std::string progress_of(const fs::path& log) {
  std::ifstream stream(log, std::ios::ate | std::ios::binary);
  const auto size = static_cast<std::int64_t>(stream.tellg());
  stream.seekg(std::max<std::int64_t>(0, size - 4096));
  std::string last;
  for (std::string line; std::getline(stream, line);)
    if (line.starts_with('[') && line.find(']') != std::string::npos) last = line.substr(0, line.find(']') + 1);
  return last;
}

Result<void> run_cmake(const Context& context, const Project& project, std::vector<std::string> arguments,
                       std::string_view subject, std::string_view step) {
  const fs::path log = project.paths.build_log();
  const auto begin = std::chrono::steady_clock::now();
  const auto show = [&] {
    const auto so_far = std::chrono::steady_clock::now() - begin;
    if (so_far < std::chrono::seconds(1)) return;
    context.console().progress(
        fmt::format("Building {} {} {}", subject, progress_of(log),
                    human_duration(std::chrono::duration_cast<std::chrono::milliseconds>(so_far))));
  };
  context.console().detail(fmt::format("running cmake {}", fmt::join(arguments, " ")));
  auto end = run_subprocess({.program = "cmake",
                             .arguments = std::move(arguments),
                             .directory = project.paths.root,
                             .log = log,
                             .on_tick = show});
  context.console().progress("");
  if (!end) {
    end.error().code = ExitCode::build_failed;
    return std::unexpected(std::move(end.error()));
  }
  if (end->exit_code != 0)
    return fail({.code = ExitCode::build_failed,
                 .what = fmt::format("{} could not be {}", subject, step),
                 .excerpt = shorten_build_log(read_log(project), Severity::error),
                 .log = log});
  return {};
}

}  // namespace

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string choose_build_type(const Project& project, std::optional<BuildType> wanted) {
  static_cast<void>(make_link_for_cmake(project));  // a failure is reported by what configures the build
  remove_foreign_build(project);
  const std::string before = cached(project, "CMAKE_BUILD_TYPE");
  if (!wanted && !before.empty()) return before;
  return std::string(cmake_type(wanted.value_or(BuildType::release)));
}

Result<void> configure_build(const Context& context, const Project& project, std::string_view type) {
  if (!project.paths.joined_at.empty())
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} has no sources: it has joined the fabric at {}", project.paths.root.string(),
                                     project.paths.joined_at),
                 .why = "the module is built on the machine of the project",
                 .help = {"run the command there, in the directory of the project"}});
  if (!fs::exists(project.paths.root / "CMakeLists.txt"))
    return fail({.code = ExitCode::build_failed,
                 .what = fmt::format("{} has no CMakeLists.txt", project.paths.root.string()),
                 .help = {fmt::format("create one with these three lines:\n"
                                      "project({0} CXX)\n"
                                      "find_package(epic CONFIG REQUIRED)\n"
                                      "epic_add_module(NAME {0} SOURCES src/*.cpp)",
                                      project.manifest.module)}});
  std::error_code error;
  fs::create_directories(project.paths.build(), error);
  if (error)
    return fail({.code = ExitCode::build_failed,
                 .what = fmt::format("cannot create {}", project.paths.build().string()),
                 .why = error.message(),
                 .help = {fmt::format("check that you may write to {}", project.paths.root.string())}});
  fs::remove(project.paths.build_log(), error);
  if (is_configured(project, context.install(), type)) return {};
  const fs::path root = EPIC_TRY(make_link_for_cmake(project));
  return run_cmake(context, project, configure_arguments(project, root, context.install(), type), project.manifest.name,
                   "configured");
}

Result<void> build_target(const Context& context, const Project& project, std::string_view target,
                          std::string_view subject) {
  const ProjectPaths paths(EPIC_TRY(make_link_for_cmake(project)));
  EPIC_TRY(run_cmake(context, project, {"--build", paths.build().string(), "--target", std::string(target)}, subject,
                     "built"));
  if (const std::string warnings = shorten_build_log(read_log(project), Severity::warning); !warnings.empty())
    context.console().warn("from the compiler\n" + warnings);
  return {};
}

bool is_unknown_target(const Project& project, std::string_view target) {
  const std::string log = read_text(project.paths.build_log());  // as Ninja or Make writes it
  return log.contains(fmt::format("ninja: error: unknown target '{}'", target)) ||
         log.contains(fmt::format("No rule to make target '{}'.", target));
}

std::string shorten_build_log(std::string_view log, Severity severity, std::size_t count_max) {
  constexpr std::size_t kLinesEach = 8;
  const auto contains = [](std::string_view line, std::initializer_list<std::string_view> parts) {
    return std::ranges::any_of(parts, [&](std::string_view part) { return line.contains(part); });
  };
  std::string shortened;
  std::size_t count = 0;
  std::size_t lines_left = 0;
  std::istringstream stream{std::string(log)};
  for (std::string line; std::getline(stream, line);) {
    const bool is_error =
        contains(line, {": error:", ": fatal error:", "undefined reference", "multiple definition"}) ||
        line.starts_with("CMake Error");
    const bool is_warning = line.contains(": warning:");
    if (severity == Severity::error ? is_error : is_warning) {
      ++count;
      lines_left = count <= count_max ? kLinesEach : 0;
    } else if (is_error || is_warning || line.starts_with("FAILED:") || line.starts_with('[') ||
               line.starts_with("ninja:") || line.contains(" generated.")) {
      lines_left = 0;
    }
    if (lines_left == 0) continue;
    --lines_left;
    if (!line.empty()) shortened += line + '\n';
  }
  if (count > count_max) shortened += fmt::format("… and {} more\n", count - count_max);
  if (!shortened.empty() || severity == Severity::warning) return shortened;
  // No line is known to be an error: the end of the log is the best there is.
  std::size_t from = log.size();
  for (std::size_t lines = 0; from > 0 && lines <= kLinesEach; --from)
    if (log[from - 1] == '\n') ++lines;
  return std::string(log.substr(from));
}

}  // namespace epic::cli
