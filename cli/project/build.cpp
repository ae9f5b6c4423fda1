#include "cli/project/build.hpp"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>

#include "cli/output/humanize.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/module_habits.hpp"
#include "cli/project/schema_check.hpp"
#include "cli/project/subprocess.hpp"
#include "cluster/supervisor/node_exit.hpp"
#include "protocol/json.hpp"
#include "storage/open_store.hpp"

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

std::vector<std::string> read_lines(const fs::path& file) {
  std::vector<std::string> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

// The failure if CMakeLists.txt does not make the module that epic.toml names.
Failure no_such_module(const Project& project, std::string what) {
  if (const auto built = read_lines(project.paths.module_names()); !built.empty())
    return {.code = ExitCode::build_failed,
            .what = std::move(what),
            .why = fmt::format("nodes are to load the module \"{}\", but CMakeLists.txt builds {}",
                               project.manifest.module, listing(built)),
            .help = {fmt::format("name the one to load in epic.toml, for example:\n[modules]\nload = \"{}\"",
                                 built.front())}};
  return {.code = ExitCode::build_failed,
          .what = std::move(what),
          .why = fmt::format("epic.toml names the module \"{}\", but CMakeLists.txt does not build it",
                             project.manifest.module),
          .help = {fmt::format("use epic_add_module(NAME {} …) in CMakeLists.txt, or set [modules] load to its name",
                               project.manifest.module)}};
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
  if (former && present) (*check)->add_disagreements(find_stored_name_disagreements(*former, *present));
  for (const std::string& line : (*check)->conversions()) context.console().note(line);
  for (const std::string& line : (*check)->leftovers()) context.console().warn(line);
  for (const std::string& line : (*check)->undeliverable_mail()) context.console().warn(line);
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

// Nodes would refuse it; but it has to be built before the store can be adjusted to it.
void warn_of_groups(const Context& context, const Project& project, const std::string& description) {
  const auto store = storage::open_store({.address = project.paths.store, .mode = storage::OpenMode::read_only});
  const auto described = protocol::parse_json(description);
  if (!store || !described) return;
  const kernel::Placement& placement = (*store)->identity().placement;
  for (const TypeEntry& type : catalog_from(*described).types)
    if (placement.group_of(type.stored_as) != type.group)
      context.console().warn(fmt::format(
          "class {} shares the tags of {}, but in the store those of {}: run 'epic reshard --groups' before "
          "'epic run'",
          type.type, type.group, placement.group_of(type.stored_as)));
}

// The programs of epic_add_client(). CMake has just listed them.
Result<std::vector<fs::path>> build_clients(const Context& context, const Project& project) {
  std::vector<fs::path> clients;
  for (const std::string& client : read_lines(project.paths.client_programs()))
    clients.push_back(project.paths.build() / "clients" / fs::path(client).filename());
  if (clients.empty()) return clients;
  std::error_code ignored;
  fs::remove(project.paths.build_log(), ignored);  // its warnings have been shown
  EPIC_TRY(build_target(context, project, "epic-clients", fmt::format("the clients of {}", project.manifest.name)));
  return clients;
}

void warn_of_habits(const Context& context, const Project& project) {
  constexpr std::size_t kShownMax = 10;
  const auto habits = find_habits(project);
  if (habits.empty()) return;
  const std::size_t shown = std::min(habits.size(), kShownMax);
  context.console().warn(fmt::format(
      "the module depends on more than its entities\n{}\n{}(a comment with epic:allow on the line silences this)",
      fmt::join(std::span(habits).first(shown), "\n"),
      habits.size() > shown ? fmt::format("… and {} more\n", habits.size() - shown) : std::string()));
}

}  // namespace

Result<Built> build_project(const Context& context, const Project& project, const BuildOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string type = choose_build_type(project, options.type);
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

  std::error_code ignored;
  fs::remove(listing_file(project), ignored);
  FormerModule former(built.module);
  EPIC_TRY(configure_build(context, project, type));
  const std::string& module = project.manifest.module;
  if (auto done = build_target(context, project, module, project.manifest.name); !done) {
    if (is_unknown_target(project, module))
      return fail(no_such_module(project, fmt::format("{} could not be built", project.manifest.name)));
    return std::unexpected(std::move(done.error()));
  }
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
  warn_of_habits(context, project);
  warn_of_groups(context, project, *description);
  std::ofstream(project.paths.module_types(project.manifest.module), std::ios::binary) << *description;
  std::ofstream(listing_file(project), std::ios::binary) << listing;
  if (options.clients) built.clients = EPIC_TRY(build_clients(context, project));
  built.took = took();
  return built;
}

}  // namespace epic::cli
