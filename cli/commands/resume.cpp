// epic resume: lets a paused node go on.

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
  return act_on_node(context, arguments, "resume", "Resumed", "");
}

}  // namespace

const Command& resume_command() {
  static constexpr Command kCommand{
      .path = "resume",
      .group = Group::fabric,
      .summary = "Let a paused node go on",
      .description = "SIGCONT, after epic pause.",
      .example = "epic resume node-2",
      .positionals = kNodePositionals,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
