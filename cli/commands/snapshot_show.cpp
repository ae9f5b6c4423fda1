// epic snapshot show: the saved state of one entity.

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/entity_page.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "TYPE/KEY", .summary = "The entity's name", .completes = Completes::entity},
};

constexpr ExitNote kExitCodes[] = {
    {ExitCode::failed, "the snapshot cannot be read"},
    {ExitCode::not_found, "the entity has never been saved"},
};

Outcome run(Context& context, const Arguments& arguments) {
  const auto name = parse_entity(arguments.command(), *arguments.word(0));
  if (!name) return std::unexpected(name.error());
  const auto paths = context.paths(arguments);
  if (!paths) return std::unexpected(paths.error());
  auto store = StoredFabric::open(*paths);
  if (!store) return std::unexpected(std::move(store.error()));
  auto found = store->inspect(*name);
  if (!found) return std::unexpected(std::move(found.error()));
  if (*found) {
    print_entity(context.console(), **found);
    return ExitCode::ok;
  }
  const auto types = store->types();
  if (types && std::ranges::find(*types, name->type) == types->end()) return fail(unknown_type(name->type, *types));
  return fail(unsaved_entity(*name));
}

}  // namespace

const Command& snapshot_show_command() {
  static constexpr Command kCommand{
      .path = "snapshot show",
      .group = Group::state,
      .summary = "Show the saved state of an entity",
      .description =
          "Reads the store, whether or not the fabric is running; 'epic inspect' shows the state in memory. Same "
          "fields.",
      .example = "epic snapshot show Player/Bob\nepic snapshot show Player/Bob -o json",
      .positionals = kPositionals,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
