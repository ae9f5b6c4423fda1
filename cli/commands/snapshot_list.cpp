// epic snapshot list: lists the saved states.

#include <boost/json/object.hpp>

#include "cli/commands/listing.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSnapshotListPositionals[] = {kTypeOrPrefix};

constexpr OptionSpec kSnapshotListOptions[] = {kLimitOption};

constexpr ExitNote kSnapshotListExitCodes[] = {
    {ExitCode::failed, "some snapshots cannot be read"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type"},
};

constexpr Column kSnapshotListColumns[] = {
    {"ENTITY", "entity"},
    {"VERSION", "version", Show::number},
    {"SHARD", "shard", Show::number},
    {"BYTES", "bytes", Show::bytes},
    {"SAVED", "saved_at", Show::time},
    {"SCHEMA", "schema"},
};

Outcome run_snapshot_list(Context& context, const Arguments& arguments) {
  const EntityName wanted = EPIC_TRY(parse_type_or_entity(arguments));
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto store = EPIC_TRY(StoredFabric::open_with(paths, wanted.type));
  warn_of_mark(context.console(), paths);

  Table table(context.console(), kSnapshotListColumns);
  DamagedRows damaged(context.console());
  EPIC_TRY(store.list(
      {.type = wanted.type, .key_prefix = wanted.key, .limit = limit_of(arguments)}, Detail::snapshot,
      [&](boost::json::object row) {
        table.add(std::move(row));
        return true;
      },
      [&](const Damage& damage) { damaged.add(damage.what); }));
  table.finish();
  return damaged.exit_code();
}

}  // namespace

constexpr Command kSnapshotListCommand{
    .path = "snapshot list",
    .group = Group::state,
    .summary = "List the saved states",
    .description = "Reads the store, whether or not the fabric is running, and checks every snapshot's checksum.",
    .example = "epic snapshot list\nepic snapshot list Player -o jsonl",
    .positionals = kSnapshotListPositionals,
    .options = kSnapshotListOptions,
    .exit_codes = kSnapshotListExitCodes,
    .run = run_snapshot_list,
    .connects = true,
};

}  // namespace epic::cli
