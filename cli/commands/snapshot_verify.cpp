// epic snapshot verify: reads every saved state and reports the damaged ones; a person may then accept what is left.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/import_target.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/progress.hpp"
#include "cli/project/context.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSnapshotVerifyPositionals[] = {
    {.name = "TYPE", .summary = "Only this type", .arity = Arity::optional, .completes = Completes::type_or_entity},
};

constexpr OptionSpec kSnapshotVerifyOptions[] = {
    {.name = "accept", .summary = "Go on with what is there; no fabric may run"},
};

constexpr ExitNote kSnapshotVerifyExitCodes[] = {
    {ExitCode::failed, "some snapshots are damaged; or a fabric runs, with --accept"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type"},
};

Result<void> accept(Console& console, const ProjectPaths& paths) {
  if (!storage::find_mark(paths.store)) {
    console.note("Nothing is known to be missing: there is nothing to accept.");
    return {};
  }
  if (const auto lifted = storage::lift_mark(paths.store); !lifted) return fail(failure_of(lifted.error()));
  console.note("Accepted: the next 'epic run' goes on with what is there.");
  return {};
}

Outcome run_snapshot_verify(Context& context, const Arguments& arguments) {
  const std::string type = arguments.word(0).value_or("");
  const bool must_accept = arguments.has("accept");
  if (must_accept && !type.empty())
    return fail(usage_failure(arguments.command(), "--accept is about the whole store, not one type"));
  const auto paths = EPIC_TRY(context.paths(arguments));
  if (must_accept && paths.connection)
    return fail(usage_failure(arguments.command(),
                              "--accept is for a fabric that is stopped, so nothing can be "
                              "connected to"));
  auto store = EPIC_TRY(StoredFabric::open_with(paths, type));
  std::optional<HeldProject> lock;
  if (must_accept) {
    auto taken = EPIC_TRY(lock_project(paths));
    lock.emplace(std::move(taken));
  }
  Console& console = context.console();
  warn_of_mark(console, paths);
  const auto totals = EPIC_TRY(store.totals(type));
  Progress progress(console, totals.entities);
  boost::json::array damaged;
  const auto visit = [&](const boost::json::object&) {
    progress.step();
    return true;
  };
  auto listed = store.list({.type = type}, Detail::state, visit, [&](const Damage& damage) {
    console.warn(damage.what);
    damaged.emplace_back(damage.what);
  });
  progress.finish();
  if (!listed) return std::unexpected(std::move(listed.error()));
  const std::size_t count = damaged.size();
  if (console.is_json())
    console.print_json(boost::json::object{{"whole", progress.done()}, {"damaged", std::move(damaged)}});
  else
    console.print(fmt::format("{} snapshots are intact, {} damaged", progress.done(), count));
  if (must_accept) EPIC_TRY(accept(console, paths));
  if (count == 0) return ExitCode::ok;
  return fail({.what = fmt::format("{} of {} snapshots are damaged", count, progress.done() + count),
               .why = "calls to these entities fail; other entities are not affected",
               .help = {"restore them from a copy of the store"}});
}

}  // namespace

constexpr Command kSnapshotVerifyCommand{
    .path = "snapshot verify",
    .group = Group::state,
    .summary = "Check that every saved state can be read",
    .description =
        "Checks each snapshot's checksum, finds the schema it was written with, and decodes it. Changes "
        "nothing, and may\n"
        "run while a fabric runs.\n"
        "\n"
        "When a file of the store was cut off, deleted or replaced under a running fabric, acknowledged values may be\n"
        "missing from it, and nothing writes to it any more. Put a copy of the store there, or keep what is left; "
        "then\n"
        "--accept allows writing again. Until that everything can still be read and exported.",
    .example = "epic snapshot verify\nepic snapshot verify Player\nepic snapshot verify --accept",
    .positionals = kSnapshotVerifyPositionals,
    .options = kSnapshotVerifyOptions,
    .exit_codes = kSnapshotVerifyExitCodes,
    .run = run_snapshot_verify,
    .connects = true,
};

}  // namespace epic::cli
