// epic snapshot show: the saved state of one entity.

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/entity_page.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSnapshotShowPositionals[] = {
    {.name = "TYPE/KEY", .summary = "The entity's name", .completes = Completes::entity},
};

constexpr ExitNote kSnapshotShowExitCodes[] = {
    {ExitCode::failed, "the snapshot cannot be read"},
    {ExitCode::not_found, "the entity has never been saved"},
};

Outcome run_snapshot_show(Context& context, const Arguments& arguments) {
  const auto name = EPIC_TRY(parse_entity(arguments.command(), *arguments.word(0)));
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto store = EPIC_TRY(StoredFabric::open(paths));
  warn_of_mark(context.console(), paths);
  auto found = EPIC_TRY(store.inspect(name));
  if (found) {
    print_entity(context.console(), *found);
    return ExitCode::ok;
  }
  const auto types = store.types();
  if (types && std::ranges::find(*types, name.type) == types->end()) return fail(unknown_type(name.type, *types));
  return fail(unsaved_entity(name));
}

}  // namespace

constexpr Command kSnapshotShowCommand{
    .path = "snapshot show",
    .group = Group::state,
    .summary = "Show the saved state of an entity",
    .description =
        "Reads the store, whether or not the fabric is running; 'epic inspect' shows the state in memory,\n"
        "with the same fields.",
    .example = "epic snapshot show Player/Bob\nepic snapshot show Player/Bob -o json",
    .positionals = kSnapshotShowPositionals,
    .exit_codes = kSnapshotShowExitCodes,
    .run = run_snapshot_show,
    .connects = true,
};

}  // namespace epic::cli
