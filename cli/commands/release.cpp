// epic release: an end to the quarantine of an entity.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kReleasePositionals[] = {
    {.name = "TYPE/KEY", .summary = "The entity's name", .completes = Completes::entity},
};

constexpr ExitNote kReleaseExitCodes[] = {
    {ExitCode::not_found, "no fabric is running for this project, or the entity is not in quarantine"},
    {ExitCode::unreachable, "the supervisor does not answer"},
};

Outcome run_release(Context& context, const Arguments& arguments) {
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::get(paths));
  const auto answer = EPIC_TRY(fabric.ask<control::ReleaseEntity>({arguments.word(0).value_or("")}));
  Console& console = context.console();
  if (console.is_json()) console.print_json(codec::describe_json(answer));
  console.note(fmt::format("Released {}", printable(answer.entity)));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kReleaseCommand{
    .path = "release",
    .group = Group::state,
    .summary = "Release an entity from quarantine",
    .description =
        "Three nodes that die within a minute while they run one entity's method, or are killed because a turn of\n"
        "it does not end, put the entity into quarantine: calls to it are refused, for ten seconds at first, then\n"
        "for twice as long after each further death, up to an hour. All other entities go on. epic ps lists those\n"
        "in quarantine, and epic logs shows where each node died. Release an entity once its class is fixed.",
    .example = "epic release Player/Bob",
    .positionals = kReleasePositionals,
    .exit_codes = kReleaseExitCodes,
    .run = run_release,
    .connects = true,
};

}  // namespace epic::cli
