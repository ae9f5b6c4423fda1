// epic logs: the nodes' logs, from the fabric or from its files.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/log_files.hpp"
#include "cli/output/log_printer.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kLogsPositionals[] = {
    {.name = "NODE",
     .summary = "Only this node (for example node-2), or supervisor",
     .arity = Arity::optional,
     .completes = Completes::node},
};

constexpr OptionSpec kLogsOptions[] = {
    {.name = "follow", .letter = 'f', .summary = "Keep printing new lines until Ctrl-C"},
    {.name = "tail",
     .letter = 'n',
     .value = "N",
     .summary = "Show at most N of the newest lines",
     .fallback = "1000",
     .check = whole_number(0, 1'000'000)},
    {.name = "no-prefix", .summary = "Print messages only"},
};

constexpr ExitNote kLogsExitCodes[] = {
    {ExitCode::not_found, "there is no such node; or no fabric is running, and there is no log of an earlier one"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

Outcome run_logs(Context& context, const Arguments& arguments) {
  const std::int64_t count = *arguments.number("tail");
  const std::string node = arguments.word(0).value_or("");
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::find(paths));

  constexpr std::size_t kWidth = std::string_view("supervisor").size();
  LogPrinter printer(context.console(), arguments.has("no-prefix") ? LogShape::bare : LogShape::by_reader, kWidth);
  if (fabric) {
    auto done = fabric->stream<control::Logs>(
        {.node = node, .follow = arguments.has("follow"), .tail = static_cast<std::uint64_t>(count)},
        [&](const control::Logs::Answer& line) {
          printer.print(line);
          return !arguments.has("follow") || context.console().flush();
        });
    printer.finish();
    if (!done) return std::unexpected(std::move(done.error()));
    return ExitCode::ok;
  }
  if (arguments.has("follow")) return fail(no_fabric_failure(paths));
  const auto lines = EPIC_TRY(read_log_files(paths, node, static_cast<std::size_t>(count)));
  context.console().note("The fabric is down; this is the log of its last run.");
  for (const control::Logs::Answer& line : lines) printer.print(line);
  printer.finish();
  return ExitCode::ok;
}

}  // namespace

constexpr Command kLogsCommand{
    .path = "logs",
    .group = Group::fabric,
    .summary = "Show the nodes' logs",
    .description =
        "Lines of all nodes in order of time, each with its node in front. With the fabric down, they are read\n"
        "from the files of its last run, .epic/logs/latest.",
    .example = "epic logs -f\nepic logs node-2 --tail 50",
    .positionals = kLogsPositionals,
    .options = kLogsOptions,
    .exit_codes = kLogsExitCodes,
    .run = run_logs,
    .connects = true,
};

}  // namespace epic::cli
