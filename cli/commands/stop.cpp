// epic stop: stops the fabric in order.

#include <fmt/format.h>
#include <signal.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/json_rows.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/context.hpp"
#include "cli/project/machine_paths.hpp"
#include "cli/project/process_end.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace {

constexpr OptionSpec kStopOptions[] = {
    {.name = "this-machine", .summary = "Stop only this machine of several: its shards go to the others first"},
};

constexpr ExitNote kStopExitCodes[] = {
    {ExitCode::failed, "it has stopped, but a node had not saved everything, for example on a full disk"},
    {ExitCode::not_found, "no fabric is running for this project"},
    {ExitCode::unreachable, "it did not stop within a minute"},
};

Outcome run_stop(Context& context, const Arguments& arguments) {
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::get(paths));
  const auto ping = EPIC_TRY(fabric.ask<control::Ping>());
  const bool is_here = paths.connection == nullptr;
  const ProcessEnd supervisor(is_here ? ping.pid : 0);
  const auto keeper = paths.has_joined() || !is_here ? std::nullopt : find_machine_keeper(MachinePaths(paths.root));
  const ProcessEnd keeper_end(keeper ? keeper->pid : 0);
  if (keeper && arguments.has("this-machine"))
    return fail({.what = "the machines of 'epic run --machines' stop together",
                 .help = {"kill one of them with 'epic kill --machine'", "or stop all with 'epic stop'"}});
  if (arguments.has("this-machine") && ping.speaks.number == 0)
    return fail({.what = "the supervisor is of an older version, which would stop the whole fabric if it leads",
                 .help = {"'epic ps -o json' names the process of the supervisor that leads",
                          "if it is another one, 'epic stop' stops only this machine",
                          "otherwise drain this machine's nodes with 'epic drain', then kill its supervisor"}});

  Console& console = context.console();
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::string> unsaved;
  bool has_stopped = false;
  JsonRows rows(console);
  auto done =
      fabric.stream<control::Stop>({.machine = arguments.has("this-machine")}, [&](const control::Stop::Answer& event) {
        rows.add(codec::describe_json(event));
        if (event.unsaved) unsaved = *event.unsaved;
        has_stopped = event.node == "supervisor" && event.event == "stopped";
        if (event.event == "waiting")
          console.note(fmt::format(
              "{} has not finished yet: calls or on_deactivate run there, and have [fabric] grace to end", event.node));
        else
          console.detail(fmt::format("{} {}", event.node, event.event));
        return true;
      });
  // The connection closes when the supervisor ends, so only a refusal is an error here.
  if (!done && (done.error().code != ExitCode::unreachable || (!is_here && !has_stopped)))
    return std::unexpected(std::move(done.error()));
  constexpr std::chrono::minutes kTimeout(1);
  if (!supervisor.wait(kTimeout))
    return fail(
        {.code = ExitCode::unreachable,
         .what = fmt::format("the supervisor, process {}, did not end within {}", ping.pid, human_duration(kTimeout)),
         .help = {"see what it waits for with 'epic logs supervisor'",
                  fmt::format("or kill it with 'kill -9 {}': nothing acknowledged is lost", ping.pid)}});
  if (keeper) {  // the other machines, whichever of them led
    static_cast<void>(::kill(keeper->pid, SIGTERM));
    if (!keeper_end.wait(kTimeout))
      return fail({.code = ExitCode::unreachable,
                   .what = fmt::format("process {}, which keeps the machines, did not end within {}", keeper->pid,
                                       human_duration(kTimeout)),
                   .help = {fmt::format("see what it says in {}", MachinePaths(paths.root).log(0).string())}});
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  if (!unsaved.empty())
    return fail({.what = fmt::format("stopped in {}, but {} ended before everything was saved", human_duration(took),
                                     listing(unsaved)),
                 .why = "nothing acknowledged by a gated class is lost; changes to interval classes since their "
                        "last save are lost",
                 .help = {"find the reason with 'epic logs', or check the store with 'epic doctor'"}});
  console.note(
      fmt::format("Stopped in {}{}", human_duration(took),
                  is_here && storage::is_made(paths.store) ? "; state is kept in " + paths.store.shown() : ""));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kStopCommand{
    .path = "stop",
    .group = Group::fabric,
    .summary = "Stop the fabric in order",
    .description =
        "Nodes finish their running calls, save dirty state, and end together when none has work left. Calls that\n"
        "run longer than four fifths of [fabric] grace in epic.toml (default 5s) are interrupted, and their callers\n"
        "get NodeLost. Tasks that entities have spawned for themselves are not waited for. Returns when every\n"
        "process has ended.\n"
        "Of a fabric on several machines, this stops all if the supervisor that is asked leads; otherwise only its\n"
        "machine, whose shards go to the others first. With --this-machine only that machine stops in any case, and\n"
        "another supervisor leads.",
    .example = "epic stop\nepic stop --connect 10.0.0.1:7420 --secret-file cluster.secret",
    .options = kStopOptions,
    .exit_codes = kStopExitCodes,
    .run = run_stop,
    .is_destructive = true,
    .connects = true,
};

}  // namespace epic::cli
