// epic schema show: the schemas that saved states were written with.

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSchemaShowPositionals[] = {
    {.name = "TYPE", .summary = "Only this type", .arity = Arity::optional, .completes = Completes::type_or_entity},
};

constexpr ExitNote kSchemaShowExitCodes[] = {
    {ExitCode::failed, "a schema cannot be read"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type"},
};

constexpr Column kSchemaShowColumns[] = {
    {"TYPE", "type"},
    {"SCHEMA", "schema"},
    {"ENTITIES", "entities", Show::number},
    {"FIELDS", "text"},
};

Outcome run_schema_show(Context& context, const Arguments& arguments) {
  const std::string type = arguments.word(0).value_or("");
  auto store = EPIC_TRY(StoredFabric::open_with(EPIC_TRY(context.paths(arguments)), type));
  const auto schemas = EPIC_TRY(store.schemas(type));
  Table table(context.console(), kSchemaShowColumns);
  bool is_damaged = false;
  for (const StoredSchema& stored : schemas) {
    const auto schema = store.find_schema(stored.id);
    if (!schema) context.console().warn(stored.type + ": " + schema.error());
    is_damaged = is_damaged || !schema;
    table.add({{"type", stored.type},
               {"schema", schema_text(stored.id)},
               {"entities", stored.entities},
               {"text", schema ? boost::json::value((*schema)->text()) : boost::json::value(nullptr)}});
  }
  table.finish();
  return is_damaged ? ExitCode::failed : ExitCode::ok;
}

}  // namespace

constexpr Command kSchemaShowCommand{
    .path = "schema show",
    .group = Group::state,
    .summary = "Show the schemas of saved states",
    .description =
        "Every snapshot refers to the schema it was written with, and the store keeps each schema once: a type\n"
        "has one for each version of its state. Reads the store, whether or not the fabric is running.",
    .example = "epic schema show\nepic schema show Player -o json",
    .positionals = kSchemaShowPositionals,
    .exit_codes = kSchemaShowExitCodes,
    .run = run_schema_show,
    .connects = true,
};

}  // namespace epic::cli
