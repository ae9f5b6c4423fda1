// epic snapshot verify: reads every saved state and reports the damaged ones.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/progress.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "TYPE", .summary = "Only this type", .arity = Arity::optional, .completes = Completes::type_or_entity},
};

constexpr ExitNote kExitCodes[] = {
    {ExitCode::failed, "some snapshots are damaged"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type"},
};

Outcome run(Context& context, const Arguments& arguments) {
  const std::string type = arguments.word(0).value_or("");
  auto store = EPIC_TRY(StoredFabric::open_with(EPIC_TRY(context.paths(arguments)), type));
  const auto totals = EPIC_TRY(store.totals(type));

  Console& console = context.console();
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
        "run while a fabric runs.",
    .example = "epic snapshot verify\nepic snapshot verify Player",
    .positionals = kPositionals,
    .exit_codes = kExitCodes,
    .run = run,
};

}  // namespace epic::cli
