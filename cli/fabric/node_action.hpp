#pragma once
// What the supervisor does to one node when it is asked to: kill, pause, resume, drain.

#include <string_view>

#include "cli/commands/command.hpp"

namespace epic::cli {

/// The one word of these commands.
inline constexpr PositionalSpec kNodePositionals[] = {
    {.name = "NODE", .summary = "Such as node-2", .completes = Completes::node},
};

/// Asks the fabric for `verb` with the node that was named, and says "Killed node-2 (process 4711)" and `hint`.
Outcome act_on_node(Context& context, const Arguments& arguments, std::string_view verb, std::string_view done,
                    std::string_view hint);

}  // namespace epic::cli
