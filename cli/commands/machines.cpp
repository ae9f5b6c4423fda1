// epic cut, heal: faults between the machines of `epic run --machines`.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/machines/machine_faults.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kCutPositionals[] = {
    {.name = "FROM", .summary = "A machine, for example A"},
    {.name = "TO", .summary = "Another one, or 'database'"},
};

constexpr OptionSpec kCutOptions[] = {
    {.name = "one-way", .summary = "Drop only what FROM sends to TO"},
};

constexpr ExitNote kMachinesExitCodes[] = {
    {ExitCode::failed, "the machines have no network of their own: they were not started as root"},
    {ExitCode::not_found, "'epic run --machines' does not run for this project, or has no such machine"},
};

Outcome run_cut(Context& context, const Arguments& arguments) {
  const auto paths = EPIC_TRY(context.paths(arguments));
  const std::string from = *arguments.word(0);
  const std::string to = *arguments.word(1);
  const bool is_one_way = arguments.has("one-way");
  EPIC_TRY(cut_machines(MachinePaths(paths.root), from, to, is_one_way));
  context.console().note(is_one_way
                             ? fmt::format("What {} sends to {} is dropped; 'epic heal' ends that", from, to)
                             : fmt::format("{} and {} do not reach each other; 'epic heal' ends that", from, to));
  return ExitCode::ok;
}

Outcome run_heal(Context& context, const Arguments& arguments) {
  const auto paths = EPIC_TRY(context.paths(arguments));
  EPIC_TRY(heal_machines(MachinePaths(paths.root)));
  context.console().note("All machines reach each other, and those that had died are started");
  return ExitCode::ok;
}

}  // namespace

constexpr Command kCutCommand{
    .path = "cut",
    .group = Group::fabric,
    .summary = "Cut the link between two machines of a rehearsal",
    .description =
        "For the machines that 'epic run --machines' has made of this computer as root: the kernel drops what they\n"
        "send to each other, as a broken cable or a wrong firewall would, until 'epic heal'. A machine that does not\n"
        "reach the database stops answering before its lease ends, and starts anew after 'epic heal'.",
    .example = "epic cut A B\nepic cut --one-way A B\nepic cut B database",
    .positionals = kCutPositionals,
    .options = kCutOptions,
    .exit_codes = kMachinesExitCodes,
    .run = run_cut,
    .is_destructive = true,
};

constexpr Command kHealCommand{
    .path = "heal",
    .group = Group::fabric,
    .summary = "Restore the links of a rehearsal, and start its dead machines",
    .description =
        "For the machines that 'epic run --machines' has made of this computer: links that 'epic cut'\n"
        "has cut work again, and machines that have died start and join the others.",
    .example = "epic heal",
    .exit_codes = kMachinesExitCodes,
    .run = run_heal,
};

}  // namespace epic::cli
