// epic build: builds the module and the clients.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/build.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr OptionSpec kBuildOptions[] = {
    {.name = "release", .summary = "Optimised, with line numbers for stack traces"},
    {.name = "debug", .summary = "Not optimised, for a debugger"},
    {.name = "force", .summary = "Keep the module even if it cannot read all saved states"},
};

constexpr ExitNote kBuildExitCodes[] = {
    {ExitCode::build_failed,
     "the module or a client did not compile or link, a node cannot load the module, or it cannot read all saved "
     "states"},
};

Outcome run_build(Context& context, const Arguments& arguments) {
  if (arguments.has("release") && arguments.has("debug"))
    return fail(usage_failure(arguments.command(), "--release and --debug cannot be used together"));
  const auto project = EPIC_TRY(context.project(arguments));
  BuildOptions options;
  if (arguments.has("release")) options.type = BuildType::release;
  if (arguments.has("debug")) options.type = BuildType::debug;
  options.force = arguments.has("force");
  options.clients = true;
  const auto built = EPIC_TRY(build_project(context, project, options));
  if (context.console().is_json()) {
    boost::json::array clients;
    for (const fs::path& client : built.clients) clients.emplace_back(client.string());
    context.console().print_json(boost::json::object{
        {"module", built.module.string()}, {"clients", std::move(clients)}, {"took_ms", built.took.count()}});
  }
  std::vector<std::string> files;
  const auto add = [&](const fs::path& file) { files.push_back(file.lexically_relative(fs::current_path()).string()); };
  add(built.module);
  for (const fs::path& client : built.clients) add(client);
  context.console().note(fmt::format("Built {} in {}", listing(files), human_duration(built.took)));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kBuildCommand{
    .path = "build",
    .group = Group::project,
    .summary = "Build the project's module and its clients",
    .description =
        "Runs CMake in the project's build/ directory, then loads the module once, as a node does. Prints one\n"
        "line if all is well; otherwise the compiler's errors, shortened, and the path of the full log. Without\n"
        "--release or --debug it builds as last time; the first build is a release build. Programs of\n"
        "epic_add_client() in CMakeLists.txt are built after the module, which stays if one of them fails.\n\n"
        "It also checks the saved states, and prints one line per type that the module reads with another schema.\n"
        "If some states could not be read, the previous module stays active unless --force is given; 'epic schema\n"
        "check' shows the details. Writable globals, and clocks and random numbers taken past epic, are reported; a\n"
        "comment with epic:allow on the line silences that.",
    .example = "epic build\nepic build --debug",
    .options = kBuildOptions,
    .exit_codes = kBuildExitCodes,
    .run = run_build,
};

}  // namespace epic::cli
