// epic new: creates a project from a template, ready to build, in a git repository.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/context.hpp"
#include "cli/project/scaffold.hpp"
#include "cli/project/subprocess.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "NAME",
     .summary = "Name of the project and of its directory: letters, digits, '-' and '_', starting with a letter"},
};

constexpr OptionSpec kOptions[] = {
    {.name = "template",
     .value = "TEMPLATE",
     .summary = "Template: hello (a counter that survives restarts), game, or ledger",
     .environment = "EPIC_TEMPLATE",
     .fallback = "hello",
     .completes = Completes::template_name},
    {.name = "bare", .summary = "Only the required files, and one empty source"},
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

Result<fs::path> find_template(const Context& context, const std::string& name) {
  auto directory = EPIC_TRY(context.install().templates());
  const auto known = template_names(directory);
  if (std::ranges::find(known, name) != known.end()) return directory / name;
  Failure failure{.code = ExitCode::usage,
                  .what = fmt::format("there is no template \"{}\"", printable(name)),
                  .why = fmt::format("the templates are {}", listing(known))};
  if (const std::string near = find_near(name, known); !near.empty())
    failure.help.push_back(fmt::format("did you mean --template {}?", near));
  return fail(std::move(failure));
}

Outcome run(Context& context, const Arguments& arguments) {
  const std::string name = *arguments.word(0);
  if (const std::string why = why_no_project_name(name); !why.empty())
    return fail(
        usage_failure(arguments.command(), fmt::format("\"{}\" is not a valid project name", printable(name)), why));
  if (arguments.has("bare") && arguments.has("template") && *arguments.value("template") != "bare")
    return fail(
        usage_failure(arguments.command(), "--bare is a template itself, so it cannot be used with --template"));
  auto template_directory =
      EPIC_TRY(find_template(context, arguments.has("bare") ? "bare" : arguments.value("template").value_or("hello")));
  const fs::path target = context.start(arguments) / name;
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(target, ignored)))
    return fail({.what = fmt::format("{} already exists", target.lexically_normal().string()),
                 .why = "epic new never overwrites files",
                 .help = {"choose another name, or remove it first"}});

  auto files = EPIC_TRY(scaffold({.template_directory = template_directory, .target = target, .name = name}));
  const bool has_repository = make_repository(context, target);

  if (context.console().is_json()) {
    boost::json::array listed;
    for (const fs::path& file : files) listed.emplace_back(file.string());
    context.console().print_json(boost::json::object{{"project", name},
                                                     {"directory", fs::canonical(target).string()},
                                                     {"template", template_directory.filename().string()},
                                                     {"git", has_repository},
                                                     {"files", std::move(listed)}});
  }
  const std::string shown = target.lexically_normal().string();
  context.console().note(
      fmt::format("Created {} with {} files from template {}. Next:\n\n"
                  "  cd {}\n"
                  "  epic run",
                  shown, files.size(), template_directory.filename().string(), shown));
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
        "one already. Never touches an existing directory.",
    .example = "epic new arena --template game\nepic new scratch --bare",
    .positionals = kPositionals,
    .options = kOptions,
    .run = run,
};

}  // namespace epic::cli
