// epic build: makes the module.

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/build.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr OptionSpec kOptions[] = {
    {.name = "release", .summary = "Optimised, with line numbers for stack traces"},
    {.name = "debug", .summary = "Not optimised, for a debugger"},
    {.name = "force", .summary = "Keep the module even if it cannot read what is saved"},
};

constexpr ExitNote kExitCodes[] = {
    {ExitCode::build_failed,
     "the module did not compile or link, a node cannot load it, or it cannot read what is saved"},
};

Outcome run(Context& context, const Arguments& arguments) {
  if (arguments.has("release") && arguments.has("debug"))
    return fail(usage_failure(arguments.command(), "--release and --debug exclude each other"));
  const auto project = context.project(arguments);
  if (!project) return std::unexpected(project.error());
  BuildOptions options;
  if (arguments.has("release")) options.type = BuildType::release;
  if (arguments.has("debug")) options.type = BuildType::debug;
  options.force = arguments.has("force");
  const auto built = build_project(context, *project, options);
  if (!built) return std::unexpected(built.error());
  if (context.console().is_json())
    context.console().print_json(
        boost::json::object{{"module", built->module.string()}, {"took_ms", built->took.count()}});
  context.console().note(fmt::format("Built {} in {}",
                                     built->module.lexically_relative(std::filesystem::current_path()).string(),
                                     human_duration(built->took)));
  return ExitCode::ok;
}

}  // namespace

const Command& build_command() {
  static constexpr Command kCommand{
      .path = "build",
      .group = Group::project,
      .summary = "Build the project's module",
      .description =
          "Runs CMake in the project's build/ directory and then loads the module once as a node will. Says nothing "
          "but one\n"
          "line when all is well; otherwise the compiler's own words, shortened, and where the whole log is. Without\n"
          "--release or --debug it builds as last time, and release the first time.\n"
          "\n"
          "What the project has saved is checked, too: one line a type says what is read in another shape. A module "
          "that\n"
          "could not read some of it is not put in place, unless --force says so: 'epic schema check' tells more.",
      .example = "epic build\nepic build --debug",
      .options = kOptions,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
