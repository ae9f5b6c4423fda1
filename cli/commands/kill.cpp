// epic kill: ends the process of a node at once; it is started again.

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
  return act_on_node(context, arguments, "kill", "Killed", "; the supervisor starts it again");
}

}  // namespace

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
      .positionals = kNodePositionals,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
