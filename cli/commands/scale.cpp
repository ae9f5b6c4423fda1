// epic scale: sets the number of nodes.

#include <fmt/format.h>

#include <string>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/context.hpp"
#include "cli/project/manifest.hpp"

namespace epic::cli {
namespace {

constexpr std::chrono::minutes kScaleTimeout(2);  // without progress

constexpr PositionalSpec kScalePositionals[] = {
    {.name = "N", .summary = "Number of nodes, from 1 to 64", .check = whole_number(1, kNodesMax)},
};

constexpr ExitNote kScaleExitCodes[] = {
    {ExitCode::failed, "the fabric is stopping, a restart is under way, or that many nodes are not possible"},
    {ExitCode::not_found, "no fabric is running for this project"},
    {ExitCode::unreachable, "the fabric does not answer, or made no progress for two minutes"},
};

Outcome run_scale(Context& context, const Arguments& arguments) {
  const std::int64_t count = std::stoll(*arguments.word(0));
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::get(paths));
  if (const std::string risk = find_move_risk(paths); !risk.empty()) context.console().warn(risk);
  const auto answer = fabric.ask<control::Scale>(
      {static_cast<std::uint64_t>(count)}, kScaleTimeout, [&](const control::Scale::Answer& part) {
        context.console().note(describe_leaving(part.node.value_or(""), part.shards.value_or(0)));
      });
  if (!answer) return fail(still_going_on(answer.error()));
  if (context.console().is_json())
    context.console().print_json(codec::describe_json(control::Scale::Request{answer->nodes}));
  context.console().note(
      fmt::format("The fabric has {} now", count_of(static_cast<std::uint64_t>(count), "node", "nodes")));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kScaleCommand{
    .path = "scale",
    .group = Group::fabric,
    .summary = "Change the number of nodes",
    .description =
        "Starts nodes up to N; drains and stops those above, as epic drain does. Shards move to new nodes one at\n"
        "a time. Returns when the new nodes are ready, or the others have ended. The number lasts until epic\n"
        "stop; epic.toml is not changed.",
    .example = "epic scale 6",
    .positionals = kScalePositionals,
    .exit_codes = kScaleExitCodes,
    .run = run_scale,
    .is_destructive = true,
    .connects = true,
};

}  // namespace epic::cli
