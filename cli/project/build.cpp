#include "cli/project/build.hpp"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "cli/output/humanize.hpp"
#include "cli/project/schema_check.hpp"
#include "cli/project/subprocess.hpp"
#include "cluster/supervisor/node_exit.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

/// The module as it was before a build. CMake writes a module where nodes find it, and whether it may stay there shows
/// only then: until that is known, a copy of the previous one lies beside it. The copy keeps its time of change, so
/// that the next build links again.
class FormerModule {
 public:
  explicit FormerModule(fs::path module) : module_(std::move(module)), copy_(module_.string() + ".former") {
    std::error_code error;
    const auto changed_at = fs::last_write_time(module_, error);
    if (error || !fs::copy_file(module_, copy_, fs::copy_options::overwrite_existing, error)) return;
    fs::last_write_time(copy_, changed_at, error);
    is_kept_ = !error;
  }
  FormerModule(const FormerModule&) = delete;
  FormerModule& operator=(const FormerModule&) = delete;
  ~FormerModule() {
    std::error_code ignored;
    fs::remove(copy_, ignored);
  }

  /// Puts the copy in the module's place; if there is none, removes the module.
  void restore() {
    std::error_code ignored;
    if (is_kept_)
      fs::rename(copy_, module_, ignored);
    else
      fs::remove(module_, ignored);
  }

 private:
  fs::path module_;
  fs::path copy_;
  bool is_kept_ = false;
};

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void append_entry(std::string& listing, const fs::path& file, const fs::path& root) {
  std::error_code ignored;
  listing += fmt::format("{}\t{}\t{}\n", file.lexically_relative(root).string(),
                         fs::last_write_time(file, ignored).time_since_epoch().count(), fs::file_size(file, ignored));
}

// The inputs of a build, one file per line.
std::string listing_of(const Project& project, const InstallPaths& install, std::string_view type) {
  std::error_code ignored;
  std::vector<fs::path> files;
  auto walk =
      fs::recursive_directory_iterator(project.paths.root, fs::directory_options::skip_permission_denied, ignored);
  for (; walk != fs::end(walk); walk.increment(ignored)) {
    const std::string name = walk->path().filename().string();
    const bool is_output = walk.depth() == 0 && name == "build";
    if (walk->is_directory(ignored) && (is_output || name.starts_with('.')))
      walk.disable_recursion_pending();
    else if (walk->is_regular_file(ignored) && !name.starts_with('.'))
      files.push_back(walk->path());
  }
  std::ranges::sort(files);
  std::string listing = fmt::format("epic {} {} {}\n", EPIC_VERSION, type, project.paths.root.string());
  if (const auto node = install.node()) append_entry(listing, *node, project.paths.root);
  for (const fs::path& file : files) append_entry(listing, file, project.paths.root);
  return listing;
}

fs::path listing_file(const Project& project) { return project.paths.build() / ".epic-listing"; }

std::string_view cmake_type(BuildType type) { return type == BuildType::debug ? "Debug" : "RelWithDebInfo"; }

// A value that the build directory was configured with; empty if it was not configured.
std::string cached(const Project& project, std::string_view entry) {
  std::ifstream cache(project.paths.build() / "CMakeCache.txt");
  for (std::string line; std::getline(cache, line);)
    if (line.starts_with(entry) && line.size() > entry.size() && line[entry.size()] == ':')
      return line.substr(line.find('=') + 1);
  return {};
}

// A build directory that was copied or moved with its project belongs to the place where it was configured: it would
// build the sources there.
void remove_foreign_build(const Project& project) {
  const std::string home = cached(project, "CMAKE_HOME_DIRECTORY");
  std::error_code ignored;
  if (home.empty() || fs::equivalent(home, project.paths.root, ignored)) return;
  fs::remove_all(project.paths.build(), ignored);
}

bool is_configured(const Project& project, const InstallPaths& install, std::string_view type) {
  const fs::path build = project.paths.build();
  if (!fs::exists(build / "build.ninja") && !fs::exists(build / "Makefile")) return false;
  const fs::path package = install.cmake_package();
  return cached(project, "CMAKE_BUILD_TYPE") == type &&
         (package.empty() || cached(project, "epic_DIR") == package.string());
}

std::vector<std::string> configure_arguments(const Project& project, const InstallPaths& install,
                                             std::string_view type) {
  std::vector<std::string> arguments = {"-S", project.paths.root.string(), "-B", project.paths.build().string(),
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

Failure build_failure(const Project& project, std::string_view step) {
  const fs::path log = project.paths.build_log();
  return {.code = ExitCode::build_failed,
          .what = fmt::format("{} could not be {}", project.manifest.name, step),
          .excerpt = shorten_build_log(read_text(log), Severity::error),
          .log = log};
}

Result<void> run_cmake(const Context& context, const Project& project, std::vector<std::string> arguments,
                       std::string_view step) {
  const auto begin = std::chrono::steady_clock::now();
  const auto show = [&] {
    const auto so_far = std::chrono::steady_clock::now() - begin;
    if (so_far < std::chrono::seconds(1)) return;
    context.console().progress(
        fmt::format("Building {} {} {}", project.manifest.name, progress_of(project.paths.build_log()),
                    human_duration(std::chrono::duration_cast<std::chrono::milliseconds>(so_far))));
  };
  context.console().detail(fmt::format("running cmake {}", fmt::join(arguments, " ")));
  auto end = run_subprocess({.program = "cmake",
                             .arguments = std::move(arguments),
                             .directory = project.paths.root,
                             .log = project.paths.build_log(),
                             .on_tick = show});
  context.console().progress("");
  if (!end) {
    end.error().code = ExitCode::build_failed;
    return std::unexpected(std::move(end.error()));
  }
  if (end->exit_code != 0) return fail(build_failure(project, step));
  return {};
}

// The failure if CMakeLists.txt does not make the module that epic.toml names.
Failure no_such_module(const Project& project, std::string what) {
  return {.code = ExitCode::build_failed,
          .what = std::move(what),
          .why = fmt::format("epic.toml names the module \"{}\", but CMakeLists.txt does not build it",
                             project.manifest.module),
          .help = {fmt::format("use epic_add_module(NAME {} …) in CMakeLists.txt, or set [modules] load to its name",
                               project.manifest.module)}};
}

// The messages of Ninja and of Make.
bool is_unknown_target(const Project& project) {
  const std::string log = read_text(project.paths.build_log());
  const std::string& module = project.manifest.module;
  return log.contains(fmt::format("ninja: error: unknown target '{}'", module)) ||
         log.contains(fmt::format("No rule to make target '{}'.", module));
}

// Symbols as C++ spells them: "undefined symbol: arena::Player::hit(int)".
std::string demangled(std::string text) {
  const std::size_t at = text.find("_Z");
  if (at == std::string::npos) return text;
  std::string symbol = text.substr(
      at, text.find_first_not_of("_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.$", at) - at);
  while (symbol.ends_with('.')) symbol.pop_back();  // the sentence's
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status),
                                                    std::free);
  if (status != 0) return text;
  return text.replace(at, symbol.size(), name.get());
}

// Loads the module as a node does; returns its description as JSON.
Result<std::string> describe_module(const Context& context, const Project& project) {
  const fs::path module = project.paths.module(project.manifest.module);
  auto node = EPIC_TRY(context.install().node());
  auto end = EPIC_TRY(run_subprocess({.program = node, .arguments = {"--describe", module.string()}}));
  if (end.exit_code != 0 || !protocol::parse_json(end.out)) {
    std::string why = demangled(cause_of(end, node));
    constexpr int kSignalled = 128;
    const bool has_crashed = end.exit_code > kSignalled;
    if (has_crashed)
      why = fmt::format("the process that loaded it {}; only the constructors of its global variables run then",
                        cluster::ProcessEnd{.exit_code = 0, .signal = end.exit_code - kSignalled}.text());
    return fail(
        {.code = ExitCode::build_failed,
         .what =
             fmt::format("{} was built, but a node cannot load it; the previous module stays active", module.string()),
         .why = std::move(why),
         .help = has_crashed
                     ? std::vector<std::string>{"make the constructors of global variables do nothing that can fail"}
                     : std::vector<std::string>{}});
  }
  return std::move(end.out);
}

// Compares the module with the saved states and reports the result. On failure the module must not stay active.
Result<void> check_saved_states(const Context& context, const Project& project, const std::string& description,
                                const BuildOptions& options) {
  auto check = check_schemas(context.install(), project.paths, project.paths.module(project.manifest.module));
  if (!check) {
    context.console().warn(fmt::format("{}: {}", check.error().what, check.error().why));
    return {};
  }
  if (!*check) return {};
  const auto former = protocol::parse_json(read_text(project.paths.module_types(project.manifest.module)));
  const auto present = protocol::parse_json(description);
  if (former && present) (*check)->add_disagreements(find_placement_disagreements(*former, *present));
  for (const std::string& line : (*check)->conversions()) context.console().note(line);
  for (const std::string& line : (*check)->leftovers()) context.console().warn(line);
  if (const auto damage = (*check)->damage()) context.console().warn(*damage);
  const auto problems = (*check)->problems();
  if (problems.empty()) return {};
  if (options.force) {
    for (const std::string& line : problems) context.console().warn(line);
    return {};
  }
  return fail(
      {.code = ExitCode::build_failed,
       .what = fmt::format("{} was built, but {} could not be read by it; the previous module stays active",
                           project.manifest.module, count_of((*check)->unreadable(), "saved state", "saved states")),
       .excerpt = fmt::format("{}", fmt::join(problems, "\n")),
       .why = "calls to such entities would fail, or find them empty; the saved states themselves are unchanged",
       .help = {(*check)->has_orphans()
                    ? "let every class find its saved states with formerly(…), as shown above"
                    : "give the field another name, so that it starts with its default, or its previous type",
                "use it anyway with 'epic build --force'"}});
}

}  // namespace

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

Result<Built> build_project(const Context& context, const Project& project, const BuildOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  remove_foreign_build(project);
  const std::string before = cached(project, "CMAKE_BUILD_TYPE");
  const std::string type = options.type     ? std::string(cmake_type(*options.type))
                           : before.empty() ? std::string(cmake_type(BuildType::release))
                                            : before;
  Built built{.module = project.paths.module(project.manifest.module)};
  const auto took = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  };
  std::string listing = listing_of(project, context.install(), type);
  if (options.only_if_stale && fs::exists(built.module) && read_text(listing_file(project)) == listing) {
    built.was_fresh = true;
    built.took = took();
    return built;
  }

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
  fs::remove(listing_file(project), error);
  FormerModule former(built.module);
  if (!is_configured(project, context.install(), type))
    EPIC_TRY(run_cmake(context, project, configure_arguments(project, context.install(), type), "configured"));
  if (auto done = run_cmake(context, project,
                            {"--build", project.paths.build().string(), "--target", project.manifest.module}, "built");
      !done) {
    if (is_unknown_target(project))
      return fail(no_such_module(project, fmt::format("{} could not be built", project.manifest.name)));
    return std::unexpected(std::move(done.error()));
  }
  if (const std::string warnings = shorten_build_log(read_text(project.paths.build_log()), Severity::warning);
      !warnings.empty())
    context.console().warn("from the compiler\n" + warnings);
  if (!fs::exists(built.module))
    return fail(no_such_module(project, fmt::format("the build did not produce {}", built.module.string())));
  const auto description = describe_module(context, project);
  if (!description) {
    former.restore();
    return std::unexpected(description.error());
  }
  if (auto checked = check_saved_states(context, project, *description, options); !checked) {
    former.restore();
    return std::unexpected(std::move(checked.error()));
  }
  std::ofstream(project.paths.module_types(project.manifest.module), std::ios::binary) << *description;
  std::ofstream(listing_file(project), std::ios::binary) << listing;
  built.took = took();
  return built;
}

}  // namespace epic::cli
