// epic restart: restarts the nodes with the current module.

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/json_rows.hpp"
#include "cli/project/build.hpp"
#include "cli/project/context.hpp"
#include "cli/project/rolling_check.hpp"

namespace epic::cli {
namespace {

constexpr OptionSpec kRestartOptions[] = {
    {.name = "rolling", .summary = "One node after the other, while the others keep running"},
};

constexpr ExitNote kRestartExitCodes[] = {
    {ExitCode::failed, "the new module cannot start (then all nodes run the previous one), or cannot be rolled out"},
    {ExitCode::not_found, "no fabric is running for this project"},
    {ExitCode::unreachable, "the fabric does not answer"},
    {ExitCode::build_failed, "the module did not compile or link, or a node cannot load it"},
};

bool has_same_content(const std::filesystem::path& left, const std::filesystem::path& right) {
  std::ifstream a(left, std::ios::binary), b(right, std::ios::binary);
  return a && b && std::equal(std::istreambuf_iterator<char>(a), {}, std::istreambuf_iterator<char>(b), {});
}

Outcome run_restart(Context& context, const Arguments& arguments) {
  const auto project = EPIC_TRY(context.project(arguments));
  auto fabric = EPIC_TRY(LiveFabric::get(project.paths));
  const auto built = EPIC_TRY(build_project(context, project, {.only_if_stale = true}));
  Console& console = context.console();
  if (!built.was_fresh)
    console.note(fmt::format("Built {} in {}", built.module.filename().string(), human_duration(built.took)));

  const auto ping = EPIC_TRY(fabric.ask<control::Ping>());
  const bool is_changed = !has_same_content(ping.module_copy, built.module);
  if (arguments.has("rolling") && !ping.module_copy.empty())
    EPIC_TRY(check_rolling(context, ping.module_copy, built.module));
  if (const std::string risk = find_move_risk(project.paths); !risk.empty()) console.warn(risk);
  std::int64_t took_ms = 0;
  JsonRows rows(console);
  EPIC_TRY(fabric.stream<control::Restart>({arguments.has("rolling")}, [&](const control::Restart::Answer& event) {
    rows.add(codec::describe_json(event));
    if (event.took_ms)
      took_ms = *event.took_ms;
    else
      console.note(fmt::format("{:<8} {}{}{}", event.node, event.event, event.why ? ": " : "", event.why.value_or("")));
    return true;
  }));
  console.note(fmt::format("Restarted in {}; {}", human_duration(std::chrono::milliseconds(took_ms)),
                           is_changed ? "all nodes run the new module" : "the module is unchanged"));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kRestartCommand{
    .path = "restart",
    .group = Group::fabric,
    .summary = "Restart the nodes with the current module",
    .description =
        "Builds the module if it is stale. With --rolling, an extra node is started with the new module; when it\n"
        "is ready, the nodes are drained, stopped and started one by one, as with epic drain, and the extra one\n"
        "is removed last; calls that do not end hold up all of it for one [fabric] grace, and then get NodeLost. If\n"
        "the new module cannot start, the fabric stays as it was. If it starts but then keeps crashing (the crashes\n"
        "are shown here), there is no way back, because it has saved states with its schema: run 'epic stop', fix the\n"
        "module, and 'epic run'. Without --rolling, all nodes stop first, as with epic stop, and then start; calls "
        "wait, or\n"
        "end with Unavailable. Nothing acknowledged is lost, and setup is not run again. Ctrl-C here does not stop\n"
        "the restart.",
    .example = "epic restart --rolling\nepic restart",
    .options = kRestartOptions,
    .exit_codes = kRestartExitCodes,
    .run = run_restart,
    .is_destructive = true,
};

}  // namespace epic::cli
