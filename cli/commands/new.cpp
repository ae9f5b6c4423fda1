// epic new: creates a project from a template, ready to build, in a git repository; or lists the templates.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/output/suggest.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"
#include "cli/project/project_template.hpp"
#include "cli/project/scaffold.hpp"
#include "cli/project/subprocess.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr PositionalSpec kNewPositionals[] = {
    {.name = "NAME",
     .summary = "Name of the project and of its directory: letters, digits, '-' and '_', starting with a letter",
     .arity = Arity::optional},
};

constexpr OptionSpec kNewOptions[] = {
    {.name = "template",
     .value = "TEMPLATE",
     .summary = "A template of epic, as --list shows them, or a directory of your own: ./mine",
     .environment = "EPIC_TEMPLATE",
     .fallback = "hello",
     .completes = Completes::template_name},
    {.name = "bare", .summary = "Only the required files, and one empty source"},
    {.name = "list", .summary = "List the templates of epic instead of creating a project"},
};

constexpr ExitNote kNewExitCodes[] = {
    {ExitCode::failed,
     "there is such a file already, the directory cannot be used as a template, or the project "
     "could not be written; nothing was created"},
};

constexpr Column kNewColumns[] = {
    {"TEMPLATE", "template"},
    {"PROJECT", "summary"},
};

bool is_in_git(const fs::path& directory) {
  std::error_code ignored;
  for (fs::path at = fs::absolute(directory);; at = at.parent_path()) {
    if (fs::exists(at / ".git", ignored)) return true;
    if (at == at.parent_path()) return false;
  }
}

// A project inside an existing repository gets no repository of its own.
bool make_repository(const Context& context, const fs::path& directory) {
  if (is_in_git(directory) || find_program("git").empty()) return false;
  const auto end = run_subprocess({.program = "git", .arguments = {"init", "--quiet"}, .directory = directory});
  if (end && end->exit_code == 0) return true;
  context.console().detail("git init failed; the project is still usable");
  return false;
}

struct ChosenTemplate {
  fs::path directory;
  std::string shown;
};

/// One of epic's own, or, if there is a '/' in it (or it is "." or ".."), the user's directory.
Result<ChosenTemplate> find_template(const Context& context, const std::string& name) {
  std::error_code ignored;
  if (name.contains('/') || name == "." || name == "..") {
    if (fs::is_directory(name, ignored)) return ChosenTemplate{fs::path(name).lexically_normal(), name};
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("there is no directory \"{}\"", printable(name)),
                 .why = "--template takes a directory, or the name of one of epic's templates",
                 .help = {"'epic new --list' lists those"}});
  }
  const auto directory = EPIC_TRY(context.install().templates());
  const auto known = template_names(directory);
  if (std::ranges::find(known, name) != known.end()) return ChosenTemplate{directory / name, name};
  Failure failure{.code = ExitCode::usage,
                  .what = fmt::format("there is no template \"{}\"", printable(name)),
                  .why = fmt::format("the templates are {}", listing(known))};
  if (const std::string near = find_near(name, known); !near.empty())
    failure.help.push_back(fmt::format("did you mean --template {}?", near));
  if (fs::is_directory(name, ignored))
    failure.help.push_back(fmt::format("for the directory of that name, use --template ./{}", printable(name)));
  return fail(std::move(failure));
}

Outcome list(Context& context, const Arguments& arguments) {
  if (arguments.word(0) || arguments.has("bare") || arguments.value("template"))
    return fail(usage_failure(arguments.command(),
                              "--list creates no project, so it takes no name, no --template and no --bare"));
  Table table(context.console(), kNewColumns);
  for (const TemplateEntry& entry : list_templates(EPIC_TRY(context.install().templates())))
    table.add(boost::json::object{{"template", entry.name}, {"summary", entry.summary}});
  table.finish();
  return ExitCode::ok;
}

Outcome run_new(Context& context, const Arguments& arguments) {
  if (arguments.has("list")) return list(context, arguments);
  if (!arguments.word(0))
    return fail(usage_failure(arguments.command(), "missing NAME", std::string(kNewPositionals[0].summary)));
  const std::string name = *arguments.word(0);
  if (const std::string why = why_no_project_name(name); !why.empty())
    return fail(
        usage_failure(arguments.command(), fmt::format("\"{}\" is not a valid project name", printable(name)), why));
  if (arguments.has("bare") && arguments.has("template") && *arguments.value("template") != "bare")
    return fail(
        usage_failure(arguments.command(), "--bare is a template itself, so it cannot be used with --template"));
  const auto chosen =
      EPIC_TRY(find_template(context, arguments.has("bare") ? "bare" : arguments.value("template").value_or("hello")));
  const fs::path target = context.start(arguments) / name;
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(target, ignored)))
    return fail({.what = fmt::format("{} already exists", target.lexically_normal().string()),
                 .why = "epic new never overwrites files",
                 .help = {"choose another name, or remove it first"}});

  auto files = EPIC_TRY(scaffold({.template_directory = chosen.directory, .target = target, .name = name}));
  const bool has_repository = make_repository(context, target);

  if (context.console().is_json()) {
    boost::json::array listed;
    for (const fs::path& file : files) listed.emplace_back(file.string());
    context.console().print_json(boost::json::object{{"project", name},
                                                     {"directory", fs::canonical(target).string()},
                                                     {"template", chosen.shown},
                                                     {"git", has_repository},
                                                     {"files", std::move(listed)}});
  }
  const std::string shown = target.lexically_normal().string();
  context.console().note(
      fmt::format("Created {} with {} files from template {}. Next:\n\n"
                  "  cd {}\n"
                  "  epic run",
                  shown, files.size(), printable(chosen.shown), shown));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kNewCommand{
    .path = "new",
    .group = Group::project,
    .summary = "Create a project",
    .description =
        "Creates a directory with everything a project needs: epic.toml, CMakeLists.txt, entity classes, tests\n"
        "(--bare: neither), a README for people and one for coding agents, and a git repository unless it is inside\n"
        "one already. Never touches an existing directory.\n\n"
        "Any project can be a template of your own: --template copies the plain files of a directory that has a\n"
        "CMakeLists.txt and an epic.toml, without .git, .epic and build. In their names and contents, @NAME@ becomes\n"
        "the new project's name, and @IDENTIFIER@ the same with '_' for '-'.",
    .example =
        "epic new arena --template game\nepic new scratch --bare\nepic new bank --template ../our-template\n"
        "epic new --list",
    .positionals = kNewPositionals,
    .options = kNewOptions,
    .exit_codes = kNewExitCodes,
    .run = run_new,
};

}  // namespace epic::cli
