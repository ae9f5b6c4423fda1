// epic inspect: everything about one entity, without waking it.

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
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
    {ExitCode::not_found, "there is no such type, or the entity is neither in memory nor saved"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

/// The node knows its own calls; those of all nodes show who waits for whom.
void join_calls(LiveFabric& fabric, const EntityName& name, boost::json::object& entity) {
  const auto* own = entity.if_contains("calls");
  if (own == nullptr || !own->is_array() || own->get_array().empty()) return;
  const auto joined = fabric.ask<control::Calls>({.entity = name.text(), .type = {}, .older_than_ms = {}});
  if (joined && !joined->calls.empty()) entity["calls"] = codec::describe_json(joined->calls);
}

Outcome inspect_live(Context& context, LiveFabric& fabric, const EntityName& name) {
  const auto answer = fabric.ask_json(control::Inspect::kVerb, boost::json::object{{"entity", name.text()}});
  if (!answer && answer.error().code == ExitCode::not_found) {
    const Catalog catalog = fabric.catalog();
    return fail(catalog.find(name.type) ? unknown_entity(name) : unknown_type(name.type, catalog.type_names()));
  }
  if (!answer) return std::unexpected(answer.error());
  const auto* object = answer->if_object();
  if (object == nullptr) return fail({.what = "the fabric's answer makes no sense", .help = {"look at 'epic logs'"}});
  boost::json::object entity = *object;
  join_calls(fabric, name, entity);
  print_entity(context.console(), entity);
  return ExitCode::ok;
}

Outcome inspect_stored(Context& context, const ProjectPaths& paths, const EntityName& name) {
  auto store = StoredFabric::open(paths);
  if (!store) return std::unexpected(std::move(store.error()));
  auto found = store->inspect(name);
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found) {
    if (auto known = store->check_type(name.type); !known) return std::unexpected(std::move(known.error()));
    return fail(unknown_entity(name));
  }
  context.console().note("The fabric is down; this is what is stored.");
  print_entity(context.console(), **found);
  return ExitCode::ok;
}

Outcome run(Context& context, const Arguments& arguments) {
  const auto name = parse_entity(arguments.command(), *arguments.word(0));
  if (!name) return std::unexpected(name.error());
  const auto paths = context.paths(arguments);
  if (!paths) return std::unexpected(paths.error());
  auto fabric = LiveFabric::find(*paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  if (*fabric) return inspect_live(context, **fabric, *name);
  return inspect_stored(context, *paths, *name);
}

}  // namespace

const Command& inspect_command() {
  static constexpr Command kCommand{
      .path = "inspect",
      .group = Group::state,
      .summary = "Show an entity: where it is, what it does, its state",
      .description =
          "Does not wake it: what is not in memory is read from the store, and the page says so. With the fabric down "
          "the same\n"
          "fields are read from the store. A state that is ahead of the disk is marked unsaved. Calls in flight are\n"
          "shown with who waits for them, as by 'epic calls'.",
      .example = "epic inspect Player/Bob\nepic inspect 'Player/Bob: Slayer of armoured cylinders' -o json",
      .positionals = kPositionals,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
