// epic inspect: everything about one entity, without activating it.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/stored_reminders.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/entity_page.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kInspectPositionals[] = {
    {.name = "TYPE/KEY", .summary = "The entity's name", .completes = Completes::entity},
};

constexpr ExitNote kInspectExitCodes[] = {
    {ExitCode::not_found, "there is no such type, or the entity is neither active nor saved"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

/// Each node knows only its own calls; the calls of all nodes show the callers.
void join_calls(LiveFabric& fabric, const EntityName& name, boost::json::object& entity) {
  const auto* own = entity.if_contains("calls");
  if (own == nullptr || !own->is_array() || own->get_array().empty()) return;
  const auto joined = fabric.ask<control::Calls>({.entity = name.text()});
  if (joined && !joined->calls.empty()) entity["calls"] = codec::describe_json(joined->calls);
}

/// They are in the store, also of an entity that is in memory.
void add_reminders(const ProjectPaths& paths, const EntityName& name, boost::json::object& entity) {
  auto reminders = StoredReminders::open(paths);
  if (!reminders) return;
  boost::json::array found;
  static_cast<void>(reminders->list(
      name, UINT64_MAX, [&](const storage::Reminder& one) { found.push_back(reminders->describe(one)); },
      [](const std::string&) {}));
  if (!found.empty()) entity["reminders"] = std::move(found);
}

/// An entity of a local class has instances on any node, or none: each is listed.
Result<void> add_instances(LiveFabric& fabric, const EntityName& name, boost::json::object& entity) {
  boost::json::array instances;
  EPIC_TRY(fabric.stream<control::Ls>(
      {.type = name.type, .prefix = name.key, .source = "live"}, [&](const control::Ls::Answer& row) {
        if (row.entity != entity.at("entity").as_string()) return true;
        instances.push_back(
            {{"node", row.node.value_or("")}, {"idle_ms", row.age_ms.value_or(0)}, {"calls", row.calls}});
        return true;
      }));
  entity["live"] = !instances.empty();
  entity["instances"] = std::move(instances);
  if (const auto joined = fabric.ask<control::Calls>({.entity = name.text()}))
    entity["calls"] = codec::describe_json(joined->calls);
  return {};
}

Outcome inspect_live(Context& context, const ProjectPaths& paths, LiveFabric& fabric, const EntityName& name) {
  const auto answer = fabric.ask_json(control::Inspect::kVerb, boost::json::object{{"entity", name.text()}});
  if (!answer && answer.error().code == ExitCode::not_found) {
    const Catalog catalog = fabric.catalog();
    return fail(catalog.find(name.type) ? unknown_entity(name) : unknown_type(name.type, catalog.type_names()));
  }
  if (!answer) return std::unexpected(answer.error());
  const auto* object = answer->if_object();
  if (object == nullptr) return fail({.what = "the fabric's answer is malformed", .help = {"see 'epic logs'"}});
  boost::json::object entity = *object;
  if (const auto* const max = entity.if_contains("local_max"); max != nullptr && max->is_number()) {
    EPIC_TRY(add_instances(fabric, name, entity));
    print_entity(context.console(), entity);
    return ExitCode::ok;
  }
  join_calls(fabric, name, entity);
  add_reminders(paths, name, entity);
  print_entity(context.console(), entity);
  return ExitCode::ok;
}

Outcome inspect_stored(Context& context, const ProjectPaths& paths, const EntityName& name) {
  auto store = EPIC_TRY(StoredFabric::open(paths));
  auto found = EPIC_TRY(store.inspect(name));
  if (!found) {
    EPIC_TRY(store.check_type(name.type));
    return fail(unknown_entity(name));
  }
  context.console().note("The fabric is down; this is the stored state.");
  warn_of_mark(context.console(), paths);
  add_reminders(paths, name, *found);
  print_entity(context.console(), *found);
  return ExitCode::ok;
}

Outcome run_inspect(Context& context, const Arguments& arguments) {
  const auto name = EPIC_TRY(parse_entity(arguments.command(), *arguments.word(0)));
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::find(paths));
  if (fabric) return inspect_live(context, paths, *fabric, name);
  return inspect_stored(context, paths, name);
}

}  // namespace

constexpr Command kInspectCommand{
    .path = "inspect",
    .group = Group::state,
    .summary = "Show an entity: its node, its calls, its state",
    .description =
        "Does not activate the entity: if it is not in memory, its state is read from the store, and the page\n"
        "says so. With the fabric down, the same fields are read from the store. A state with changes that are\n"
        "not yet durable is marked unsaved. Calls in flight are shown with their callers, as in 'epic calls'.\n"
        "An entity of a local class is shown with its instances on all nodes.",
    .example = "epic inspect Player/Bob\nepic inspect 'Player/Bob: Slayer of armoured cylinders' -o json",
    .positionals = kInspectPositionals,
    .exit_codes = kInspectExitCodes,
    .run = run_inspect,
    .connects = true,
};

}  // namespace epic::cli
