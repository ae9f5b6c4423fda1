// epic ls: lists entities without activating any.

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/commands/listing.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/progress.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kLsPositionals[] = {kTypeOrPrefix};

constexpr OptionSpec kLsOptions[] = {
    {.name = "live", .summary = "Only entities in memory"},
    kLimitOption,
};

constexpr ExitNote kLsExitCodes[] = {
    {ExitCode::failed, "some saved states cannot be read"},
    {ExitCode::not_found, "there is no such type; or there is neither a fabric nor a store"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

constexpr Column kLsColumns[] = {
    {"ENTITY", "entity"},
    {"STATE", "state", Show::state},
    {"NODE", "node"},
    {"SHARD", "shard", Show::number},
    {"VERSION", "version", Show::number},
    {"BYTES", "bytes", Show::bytes},
    {"AGE", "age_ms", Show::age},
    {"CALLS", "calls", Show::number},
};

struct ListWanted {
  EntityName name;  // the key is a prefix
  std::uint64_t limit;
  bool only_live;
};

// Counting for a progress bar is worth it only if the rows themselves are not visible.
std::uint64_t count_for_progress(const Console& console, const ProjectPaths& paths, const std::string& type) {
  if (console.is_terminal(Stream::out) || !console.is_terminal(Stream::err)) return 0;
  auto store = StoredFabric::open(paths);
  const auto totals = store ? store->totals(type) : std::unexpected(store.error());
  return totals ? totals->entities : 0;
}

Outcome list_live(Context& context, LiveFabric& fabric, const ProjectPaths& paths, const ListWanted& wanted) {
  control::Ls::Request request{
      .type = wanted.name.type, .prefix = wanted.name.key, .source = wanted.only_live ? "live" : "all"};
  if (wanted.limit < INT64_MAX) request.limit = wanted.limit;
  Table table(context.console(), kLsColumns);
  Progress progress(context.console(), count_for_progress(context.console(), paths, wanted.name.type));
  auto done = fabric.stream<control::Ls>(request, [&](const control::Ls::Answer& row) {
    table.add(row);
    progress.step();
    return true;
  });
  progress.finish();
  if (!done && (done.error().code != ExitCode::not_found || wanted.name.type.empty())) {
    if (table.count() > 0) table.finish();  // what the other nodes have answered
    return std::unexpected(std::move(done.error()));
  }
  table.finish();
  if (table.count() > 0 || wanted.name.type.empty()) return ExitCode::ok;
  const Catalog catalog = fabric.catalog();
  if (catalog.types.empty() || catalog.find(wanted.name.type)) return ExitCode::ok;
  return fail(unknown_type(wanted.name.type, catalog.type_names()));
}

Outcome list_stored(Context& context, const ProjectPaths& paths, const ListWanted& wanted) {
  auto store = EPIC_TRY(StoredFabric::open_with(paths, wanted.name.type));
  context.console().note("The fabric is down; this is the stored state.");
  warn_of_mark(context.console(), paths);
  Table table(context.console(), kLsColumns);
  Progress progress(context.console(), count_for_progress(context.console(), paths, wanted.name.type));
  DamagedRows damaged(context.console());
  auto listed = store.list(
      {.type = wanted.name.type, .key_prefix = wanted.name.key, .limit = wanted.limit}, Detail::summary,
      [&](boost::json::object row) {
        table.add(std::move(row));
        progress.step();
        return true;
      },
      [&](const Damage& damage) { damaged.add(damage.what); });
  progress.finish();
  if (!listed) return std::unexpected(std::move(listed.error()));
  table.finish();
  return damaged.exit_code();
}

Outcome run_ls(Context& context, const Arguments& arguments) {
  const ListWanted wanted{.name = EPIC_TRY(parse_type_or_entity(arguments)),
                          .limit = limit_of(arguments),
                          .only_live = arguments.has("live")};
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::find(paths));
  if (fabric) return list_live(context, *fabric, paths, wanted);
  if (wanted.only_live) return fail(no_fabric_failure(paths));
  return list_stored(context, paths, wanted);
}

}  // namespace

constexpr Command kLsCommand{
    .path = "ls",
    .group = Group::state,
    .summary = "List entities, live and stored",
    .description =
        "Activates none of them. With the fabric down, it lists the stored ones by type and key. While the fabric\n"
        "runs, all nodes answer in parallel, each with its live entities first, so --limit takes the first to\n"
        "arrive. BYTES is the size of the saved state; AGE counts from the last call of a live entity, and from\n"
        "the last save of a stored one.",
    .example = "epic ls\nepic ls Player\nepic ls Barrel/1 --live",
    .positionals = kLsPositionals,
    .options = kLsOptions,
    .exit_codes = kLsExitCodes,
    .run = run_ls,
    .connects = true,
};

}  // namespace epic::cli
