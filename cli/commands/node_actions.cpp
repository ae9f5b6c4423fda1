// epic drain, kill, pause, resume: what the supervisor does to one node when it is asked to.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr std::chrono::minutes kPatience(2);  // a drained node finishes what it is in

constexpr PositionalSpec kPositionals[] = {
    {.name = "NODE", .summary = "Such as node-2", .completes = Completes::node},
};

constexpr ExitNote kNoProcess{ExitCode::failed, "the node has no process just now"};
constexpr ExitNote kNoNode{ExitCode::not_found, "no fabric is running for this project, or it has no such node"};
constexpr ExitNote kNoAnswer{ExitCode::unreachable, "the fabric does not answer, or it is not done within two minutes"};
constexpr ExitNote kSignalExitCodes[] = {kNoProcess, kNoNode, kNoAnswer};
constexpr ExitNote kDrainExitCodes[] = {
    {ExitCode::failed, "it is the only node, a restart is under way, or the fabric is stopping"}, kNoNode, kNoAnswer};

struct Action {
  std::string_view done;  // "Killed node-2 (process 4711)" …
  std::string_view hint;  // … and what follows from it
};

constexpr Action kDrained{"Drained", "; bring it back with 'epic scale'"};
constexpr Action kKilled{"Killed", "; the supervisor starts it again"};
constexpr Action kPaused{"Paused",
                         ": go on with 'epic resume', or it counts as dead when it has been silent for too long"};
constexpr Action kResumed{"Resumed", ""};

template <class Verb, const Action& kAction>
Outcome run(Context& context, const Arguments& arguments) {
  const auto paths = context.paths(arguments);
  if (!paths) return std::unexpected(paths.error());
  auto fabric = LiveFabric::get(*paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  const std::string node = arguments.word(0).value_or("");
  if constexpr (std::is_same_v<Verb, control::Drain>)
    if (const std::string risk = find_move_risk(*paths); !risk.empty()) context.console().warn(risk);
  const auto answer = fabric->ask<Verb>({node}, kPatience);
  if (!answer) return fail(still_going_on(answer.error()));
  Console& console = context.console();
  if (console.is_json()) console.print_json(codec::describe_json(*answer));
  std::string process;
  if constexpr (requires { answer->pid; }) process = fmt::format(" (process {})", answer->pid);
  console.note(fmt::format("{} {}{}{}", kAction.done, node, process, kAction.hint));
  return ExitCode::ok;
}

}  // namespace

const Command& drain_command() {
  static constexpr Command kCommand{
      .path = "drain",
      .group = Group::fabric,
      .summary = "Move a node's shards to the others, and stop it",
      .description =
          "Calls to a shard that moves wait, what runs ends, what is dirty is saved, the next owner takes it. What\n"
          "still runs after ten seconds (or up to twenty, if it waits for other calls) is cut short, and its caller\n"
          "gets NodeLost. The node stays away until epic scale asks for it. Returns when its process has ended.",
      .example = "epic drain node-2",
      .positionals = kPositionals,
      .exit_codes = kDrainExitCodes,
      .run = run<control::Drain, kDrained>,
      .is_destructive = true,
  };
  return kCommand;
}

const Command& kill_command() {
  static constexpr Command kCommand{
      .path = "kill",
      .group = Group::fabric,
      .summary = "Kill a node, which is then started again",
      .description =
          "SIGKILL, as a crash would. Its shards go to the other nodes at once, what was acknowledged is there, calls "
          "that it was\n"
          "in end in NodeLost; the supervisor starts the node again and gives it shards back after a while.",
      .example = "epic kill node-2",
      .positionals = kPositionals,
      .exit_codes = kSignalExitCodes,
      .run = run<control::Kill, kKilled>,
      .is_destructive = true,
  };
  return kCommand;
}

const Command& pause_command() {
  static constexpr Command kCommand{
      .path = "pause",
      .group = Group::fabric,
      .summary = "Pause a node, as if its machine hung",
      .description =
          "SIGSTOP, to see what a hanging node does to the others. A pause that is longer than [fabric] silence_max in "
          "epic.toml\n"
          "ends as any silence does: the node is killed, its shards go to the others, and it is started again.",
      .example = "epic pause node-2",
      .positionals = kPositionals,
      .exit_codes = kSignalExitCodes,
      .run = run<control::Pause, kPaused>,
      .is_destructive = true,
  };
  return kCommand;
}

const Command& resume_command() {
  static constexpr Command kCommand{
      .path = "resume",
      .group = Group::fabric,
      .summary = "Let a paused node go on",
      .description = "SIGCONT, after epic pause.",
      .example = "epic resume node-2",
      .positionals = kPositionals,
      .exit_codes = kSignalExitCodes,
      .run = run<control::Resume, kResumed>,
  };
  return kCommand;
}

}  // namespace epic::cli
