// epic events: what has happened to entities, nodes and shards, from the nodes' memory.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/event_printer.hpp"
#include "cli/project/context.hpp"
#include "kernel/limits.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kEventsPositionals[] = {
    {.name = "TYPE[/KEY]",
     .summary = "Only of this type, or of this entity and its shard",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kEventsOptions[] = {
    {.name = "follow", .letter = 'f', .summary = "Keep printing new lines until Ctrl-C"},
    {.name = "tail",
     .letter = 'n',
     .value = "N",
     .summary = "Show at most N of the newest",
     .fallback = "1000",
     .check = whole_number(0, 100'000)},
};

/// A silent node delays the answer once more than the events themselves; then a type is not checked.
constexpr std::chrono::milliseconds kCatalogTimeout(300);

constexpr ExitNote kEventsExitCodes[] = {
    {ExitCode::not_found, "no fabric is running for this project, or there is no such type"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

Failure no_trail(const ProjectPaths& paths) {
  Failure failure = no_fabric_failure(paths);
  failure.why = "events are kept in the nodes' memory, and are lost when the nodes end";
  failure.help.emplace_back("see the log of the last run with 'epic logs'");
  return failure;
}

Outcome run_events(Context& context, const Arguments& arguments) {
  const bool follows = arguments.has("follow");
  const EntityName name = EPIC_TRY(parse_type_or_entity(arguments));
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::find(paths));
  if (!fabric) return fail(no_trail(paths));
  if (!name.type.empty()) {
    const Catalog catalog = fabric->catalog(kCatalogTimeout);
    if (!catalog.types.empty() && !catalog.find(name.type)) return fail(unknown_type(name.type, catalog.type_names()));
  }

  control::Events::Request request;
  (name.key.empty() ? request.type : request.entity) = name.key.empty() ? name.type : name.text();
  request.limit = static_cast<std::uint64_t>(*arguments.number("tail"));
  request.follow = follows;
  Console& console = context.console();
  EventPrinter printer(console, follows ? EventPrinter::Pace::as_they_come : EventPrinter::Pace::all_at_once);
  auto done = fabric->stream<control::Events>(request, [&](const control::Events::Answer& event) {
    printer.print(event);
    return !follows || console.flush();
  });
  printer.finish();
  if (!done) return std::unexpected(std::move(done.error()));
  if (console.is_terminal(Stream::out))
    console.note(
        fmt::format("Each node keeps its newest {} events and {} saves in memory, and loses them\n"
                    "when it ends. See 'epic logs' for what was logged.",
                    kernel::limits::kTrailLivesMax, kernel::limits::kTrailSavesMax));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kEventsCommand{
    .path = "events",
    .group = Group::state,
    .summary = "Show what has happened to entities: activated, saved, moved, deactivated, failed",
    .description =
        "One line per event, with its time, node and reason: which call activated an entity, and how long that\n"
        "took (waiting for the shard, loading, on_activate); saves, where those within two seconds share a line;\n"
        "why an entity was deactivated, and what delays it; nodes that started and died, and shards that moved.\n"
        "Each node keeps a bounded number of its newest events in memory, and loses them when it ends.",
    .example = "epic events Player/Bob\nepic events -f\nepic events Player -o jsonl",
    .positionals = kEventsPositionals,
    .options = kEventsOptions,
    .exit_codes = kEventsExitCodes,
    .run = run_events,
    .connects = true,
};

}  // namespace epic::cli
