// epic drain: moves the shards of a node to the others, then stops it.

#include "cli/commands/table.hpp"
#include "cli/fabric/node_action.hpp"

namespace epic::cli {
namespace {

constexpr ExitNote kExitCodes[] = {
    {ExitCode::failed, "it is the only node, or the fabric is stopping"},
    {ExitCode::not_found, "no fabric is running for this project, or it has no such node"},
    {ExitCode::unreachable, "the fabric does not answer, or it is not done within two minutes"},
};

Outcome run(Context& context, const Arguments& arguments) {
  return act_on_node(context, arguments, "drain", "Drained", "; bring it back with 'epic scale'");
}

}  // namespace

const Command& drain_command() {
  static constexpr Command kCommand{
      .path = "drain",
      .group = Group::fabric,
      .summary = "Move a node's shards to the others, and stop it",
      .description =
          "Shard by shard: calls to it wait, what runs ends, what is dirty is saved, the next owner takes it; no call "
          "is lost.\n"
          "The node stays away until epic scale asks for it. Returns when its process has ended.",
      .example = "epic drain node-2",
      .positionals = kNodePositionals,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
