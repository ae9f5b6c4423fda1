// epic schema export: a saved schema as a .capnp file.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/project/context.hpp"
#include "codec/capnp_text.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSchemaExportPositionals[] = {
    {.name = "TYPE", .summary = "The entity type", .completes = Completes::type_or_entity},
    {.name = "SCHEMA",
     .summary = "Which schema, if there are several (see epic schema show)",
     .arity = Arity::optional},
};

constexpr ExitNote kSchemaExportExitCodes[] = {
    {ExitCode::failed, "the schema cannot be read"},
    {ExitCode::usage, "there are several schemas, so one must be named"},
    {ExitCode::not_found, "nothing of this type has been saved, or nothing with this schema"},
};

Outcome run_schema_export(Context& context, const Arguments& arguments) {
  const std::string type = arguments.word(0).value_or("");
  auto store = EPIC_TRY(StoredFabric::open_with(EPIC_TRY(context.paths(arguments)), type));
  auto schemas = EPIC_TRY(store.schemas(type));
  if (const auto wanted = arguments.word(1)) {
    std::erase_if(schemas, [&](const StoredSchema& stored) { return schema_text(stored.id) != *wanted; });
    if (schemas.empty())
      return fail({.code = ExitCode::not_found,
                   .what = fmt::format("no snapshot of {} was written with the schema \"{}\"", type, *wanted),
                   .help = {fmt::format("list them with 'epic schema show {}'", type)}});
  }
  if (schemas.size() > 1) {
    Failure failure{.code = ExitCode::usage,
                    .what = fmt::format("{} has snapshots with {} schemas", type, schemas.size())};
    for (const StoredSchema& stored : schemas)
      failure.help.push_back(
          fmt::format("epic schema export {} {}   ({} entities)", type, schema_text(stored.id), stored.entities));
    return fail(std::move(failure));
  }
  if (schemas.empty())
    return fail({.what = fmt::format("the snapshots of {} are damaged", type), .help = {"run 'epic snapshot verify'"}});
  const auto schema = store.find_schema(schemas.front().id);
  if (!schema) return fail({.what = fmt::format("{}: {}", type, schema.error())});
  context.console().print(codec::to_capnp_text(**schema));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kSchemaExportCommand{
    .path = "schema export",
    .group = Group::state,
    .summary = "Print a schema as a .capnp file",
    .description = "With it, any Cap'n Proto program can read the bytes of a snapshot as they are stored.",
    .example = "epic schema export Player > player.capnp",
    .positionals = kSchemaExportPositionals,
    .exit_codes = kSchemaExportExitCodes,
    .run = run_schema_export,
    .connects = true,
};

}  // namespace epic::cli
