// epic schema check: how the built module reads the saved states.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"
#include "cli/project/schema_check.hpp"

namespace epic::cli {
namespace {

constexpr ExitNote kSchemaCheckExitCodes[] = {
    {ExitCode::failed,
     "the module cannot read some snapshots, or would not find them; or it lacks methods that messages are stored for"},
    {ExitCode::not_found, "nothing has been saved, or no module has been built"},
};

constexpr Column kSchemaCheckColumns[] = {
    {"TYPE", "type"},
    {"SCHEMA", "schema"},
    {"ENTITIES", "entities", Show::number},
    {"VERDICT", "verdict"},
    {"UNREADABLE", "unreadable", Show::number},
    {"CHANGES", "text"},
};

Outcome run_schema_check(Context& context, const Arguments& arguments) {
  const auto project = EPIC_TRY(context.project(arguments));
  EPIC_TRY(check_state_directory(project.paths));
  const auto module = project.paths.module(project.manifest.module);
  if (!std::filesystem::exists(module))
    return fail({.code = ExitCode::not_found,
                 .what = fmt::format("{} does not exist", module.string()),
                 .help = {"build the module with 'epic build'"}});
  const auto check = EPIC_TRY(check_schemas(context.install(), project.paths, module));
  if (!check)
    return fail({.code = ExitCode::not_found,
                 .what = fmt::format("nothing has been saved in {}", project.paths.root.string()),
                 .why = fmt::format("{} does not exist", project.paths.store.shown())});
  Table table(context.console(), kSchemaCheckColumns);
  for (const auto& row : check->rows) table.add(row);
  table.finish();
  for (const std::string& problem : check->problems()) context.console().warn(problem);
  if (const auto damage = check->damage()) context.console().warn(*damage);
  for (const std::string& mail : check->undeliverable_mail()) context.console().warn(mail);
  return check->unreadable() > 0 || check->damaged > 0 || !check->undeliverable.empty() ? ExitCode::failed
                                                                                        : ExitCode::ok;
}

}  // namespace

constexpr Command kSchemaCheckCommand{
    .path = "schema check",
    .group = Group::state,
    .summary = "Check how the built module reads the saved states",
    .description =
        "For each type and each schema of its snapshots: how many there are, and whether the module reads them\n"
        "unchanged, converts them (and what changes), or cannot read them. The verdict follows the same rules as\n"
        "a node's reads; if it depends on the values, every snapshot is tried. Changes nothing. 'epic build' runs\n"
        "the same check, and refuses a module that cannot read all of them.\n\n"
        "Verdicts: reads, converts, partly (some values cannot be read), fails (none can), unused (the class\n"
        "keeps no state), damaged (the schema itself cannot be read by any module), unclaimed (no class has this\n"
        "name), orphaned (a class has or had this name, but stores under another).\n\n"
        "Messages whose method no class has, by its name or by renamed(old, new), are reported with their number.",
    .example = "epic schema check\nepic schema check -o json",
    .exit_codes = kSchemaCheckExitCodes,
    .run = run_schema_check,
};

}  // namespace epic::cli
