// epic snapshot list: lists the saved states.

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "TYPE[/PREFIX]",
     .summary = "Only entities of this type, or with keys that start like this",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kOptions[] = {
    {.name = "limit",
     .value = "N",
     .summary = "Show at most N",
     .fallback = "all",
     .check = whole_number(1, INT64_MAX)},
};

constexpr ExitNote kExitCodes[] = {
    {ExitCode::failed, "some snapshots cannot be read"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type"},
};

constexpr Column kColumns[] = {
    {"ENTITY", "entity"},
    {"VERSION", "version", Show::number},
    {"SHARD", "shard", Show::number},
    {"BYTES", "bytes", Show::bytes},
    {"SAVED", "saved_at", Show::time},
    {"SCHEMA", "schema"},
};

Outcome run(Context& context, const Arguments& arguments) {
  const std::int64_t limit = arguments.number("limit").value_or(INT64_MAX);
  EntityName wanted;
  if (const auto word = arguments.word(0)) wanted = EPIC_TRY(parse_type_or_entity(arguments.command(), *word));
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto store = EPIC_TRY(StoredFabric::open_with(paths, wanted.type));
  warn_of_mark(context.console(), paths);

  Table table(context.console(), kColumns);
  bool is_damaged = false;
  EPIC_TRY(store.list(
      {.type = wanted.type, .key_prefix = wanted.key, .limit = static_cast<std::uint64_t>(limit)}, Detail::snapshot,
      [&](boost::json::object row) {
        table.add(std::move(row));
        return true;
      },
      [&](const Damage& damage) {
        is_damaged = true;
        context.console().warn(damage.what);
      }));
  table.finish();
  return is_damaged ? ExitCode::failed : ExitCode::ok;
}

}  // namespace

constexpr Command kSnapshotListCommand{
    .path = "snapshot list",
    .group = Group::state,
    .summary = "List the saved states",
    .description = "Reads the store, whether or not the fabric is running, and checks every snapshot's checksum.",
    .example = "epic snapshot list\nepic snapshot list Player -o jsonl",
    .positionals = kPositionals,
    .options = kOptions,
    .exit_codes = kExitCodes,
    .run = run,
};

}  // namespace epic::cli
