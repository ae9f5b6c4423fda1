// epic drain, kill, pause, resume: actions of the supervisor on one node.

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/machines/machine_faults.hpp"
#include "cli/output/text.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr std::chrono::minutes kNodeActionsTimeout(2);  // without progress

constexpr PositionalSpec kNodeActionsPositionals[] = {
    {.name = "NODE", .summary = "The node, for example node-2", .completes = Completes::node},
};

constexpr ExitNote kNoProcess{ExitCode::failed, "the node has no process at the moment"};
constexpr ExitNote kNoNode{ExitCode::not_found, "no fabric is running for this project, or it has no such node"};
constexpr ExitNote kNoAnswer{ExitCode::unreachable, "the fabric does not answer, or made no progress for two minutes"};
constexpr ExitNote kSignalExitCodes[] = {kNoProcess, kNoNode, kNoAnswer};
constexpr ExitNote kDrainExitCodes[] = {
    {ExitCode::failed, "it is the only node, a restart is under way, or the fabric is stopping"}, kNoNode, kNoAnswer};

struct Action {
  std::string_view done;  // "Killed node-2 (process 4711)" …
  std::string_view hint;  // … and what happens next
};

constexpr Action kDrained{"Drained", "; 'epic scale' starts it again"};
constexpr Action kKilled{"Killed", "; the supervisor restarts it"};
constexpr Action kPaused{"Paused", ": run 'epic resume', or it is killed after [fabric] silence_max"};
constexpr Action kResumed{"Resumed", ""};

constexpr PositionalSpec kKillPositionals[] = {
    {.name = "NODE", .summary = "The node, for example node-2", .arity = Arity::optional, .completes = Completes::node},
};

constexpr OptionSpec kKillOptions[] = {
    {.name = "machine", .value = "NAME", .summary = "Kill a machine of 'epic run --machines': supervisor and nodes"},
};

// 'epic scale' does not say on which of several machines.
std::string restart_hint(const control::Ps::Answer& ps, const std::string& name) {
  const auto node = std::ranges::find(ps.nodes, name, &control::Ps::Node::node);
  const std::string machine = node == ps.nodes.end() ? "" : node->machine.value_or("");
  return fmt::format(
      "; it starts again with the supervisor of its machine{}: 'epic stop --this-machine' there, then "
      "the 'epic run' of before",
      machine.empty() ? "" : fmt::format(", {}", printable(machine)));
}

template <class Verb, const Action& kAction>
Outcome run_node_actions(Context& context, const Arguments& arguments) {
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto fabric = EPIC_TRY(LiveFabric::get(paths));
  const std::string node = arguments.word(0).value_or("");
  if constexpr (std::is_same_v<Verb, control::Drain>)
    if (const std::string risk = find_move_risk(paths); !risk.empty()) context.console().warn(risk);
  Console& console = context.console();
  std::string hint(kAction.hint);
  if constexpr (std::is_same_v<Verb, control::Drain>)
    if (const auto ps = fabric.ask<control::Ps>(); ps && ps->machines.size() > 1) hint = restart_hint(*ps, node);
  const auto answer = fabric.ask<Verb>({node}, kNodeActionsTimeout, [&](const typename Verb::Answer& part) {
    if constexpr (std::is_same_v<Verb, control::Drain>)
      console.note(describe_leaving(part.node, part.shards.value_or(0)));
  });
  if (!answer) return fail(still_going_on(answer.error()));
  if (console.is_json()) {
    if constexpr (std::is_same_v<Verb, control::Drain>)
      console.print_json(codec::describe_json(control::NodeName{answer->node}));
    else
      console.print_json(codec::describe_json(*answer));
  }
  std::string process;
  if constexpr (requires { answer->pid; }) process = fmt::format(" (process {})", answer->pid);
  console.note(fmt::format("{} {}{}{}", kAction.done, node, process, hint));
  return ExitCode::ok;
}

Outcome run_kill(Context& context, const Arguments& arguments) {
  const auto machine = arguments.value("machine");
  if (machine.has_value() == arguments.word(0).has_value())
    return fail(usage_failure(arguments.command(), machine ? "a node and --machine exclude each other"
                                                           : "name a node, or a machine with --machine"));
  if (!machine) return run_node_actions<control::Kill, kKilled>(context, arguments);
  if (arguments.is_typed("connect"))
    return fail(usage_failure(arguments.command(), "--machine and --connect exclude each other"));
  const auto paths = EPIC_TRY(context.find(arguments));
  const int pid = EPIC_TRY(kill_machine(MachinePaths(paths.root), *machine));
  context.console().note(
      fmt::format("Killed machine {} (process {} and its nodes); 'epic heal' starts it again", *machine, pid));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kDrainCommand{
    .path = "drain",
    .group = Group::fabric,
    .summary = "Move a node's shards to the other nodes, and stop it",
    .description =
        "Calls to a moving shard wait until running calls have ended, dirty state is saved, and the next owner\n"
        "has taken the shard. Calls that still run after [fabric] grace in epic.toml (default 5s, for all shards\n"
        "together) are interrupted, and their callers get NodeLost. Tasks that entities have spawned for themselves\n"
        "are not waited for. The node stays stopped until 'epic scale' starts it, or with several machines until the\n"
        "supervisor of its machine is stopped and started again. Returns when its process has ended.",
    .example = "epic drain node-2",
    .positionals = kNodeActionsPositionals,
    .exit_codes = kDrainExitCodes,
    .run = run_node_actions<control::Drain, kDrained>,
    .is_destructive = true,
    .connects = true,
};

constexpr Command kKillCommand{
    .path = "kill",
    .group = Group::fabric,
    .summary = "Kill a node, which is restarted, or a machine of a rehearsal",
    .description =
        "Sends SIGKILL, like a crash. The node's shards go to the other nodes at once, nothing acknowledged is\n"
        "lost, and its running calls end with NodeLost. The supervisor restarts the node and moves shards back\n"
        "after a while. A machine is one of those that 'epic run --machines' has made of this computer; it stays\n"
        "away until 'epic heal'.",
    .example = "epic kill node-2\nepic kill --machine B",
    .positionals = kKillPositionals,
    .options = kKillOptions,
    .exit_codes = kSignalExitCodes,
    .run = run_kill,
    .is_destructive = true,
    .connects = true,
};

constexpr Command kPauseCommand{
    .path = "pause",
    .group = Group::fabric,
    .summary = "Pause a node, as if its machine hung",
    .description =
        "Sends SIGSTOP, to show what a hanging node does to the others. A pause longer than [fabric] silence_max\n"
        "in epic.toml ends like any silence: the node is killed, its shards go to the others, and it is\n"
        "restarted.",
    .example = "epic pause node-2",
    .positionals = kNodeActionsPositionals,
    .exit_codes = kSignalExitCodes,
    .run = run_node_actions<control::Pause, kPaused>,
    .is_destructive = true,
    .connects = true,
};

constexpr Command kResumeCommand{
    .path = "resume",
    .group = Group::fabric,
    .summary = "Resume a paused node",
    .description = "Sends SIGCONT, after epic pause.",
    .example = "epic resume node-2",
    .positionals = kNodeActionsPositionals,
    .exit_codes = kSignalExitCodes,
    .run = run_node_actions<control::Resume, kResumed>,
    .connects = true,
};

}  // namespace epic::cli
