// epic pause: stops the process of a node in its tracks.

#include "cli/commands/table.hpp"
#include "cli/fabric/node_action.hpp"

namespace epic::cli {
namespace {

constexpr ExitNote kExitCodes[] = {
    {ExitCode::failed, "the node has no process just now"},
    {ExitCode::not_found, "no fabric is running for this project, or it has no such node"},
    {ExitCode::unreachable, "the fabric does not answer, or it is not done within two minutes"},
};

Outcome run(Context& context, const Arguments& arguments) {
  return act_on_node(context, arguments, "pause", "Paused",
                     ": go on with 'epic resume', or it counts as dead when it has been silent for too long");
}

}  // namespace

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
      .positionals = kNodePositionals,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
