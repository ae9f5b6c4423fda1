#pragma once
// Last words: which entity's code a node was running when it died, for those that had a call under way there.
//
// Nodes and clients notice a death by the end of a connection, at once and without the supervisor, so they cannot wait
// for what that knows. A node that dies by a signal therefore leaves a file beside its socket (node/crash_handler.hpp)
// before its connections end. One that another process kills by SIGKILL leaves none, and nobody is named.
//
// The file is of one incarnation; the next process of the node overwrites it if it dies as well, and the supervisor
// removes it with the sockets.

#include <filesystem>
#include <string>

#include "kernel/messages.hpp"

namespace epic::io {

/// `run`: the directory of the fabric's sockets.
[[nodiscard]] std::filesystem::path last_words_of(const std::filesystem::path& run, kernel::NodeId node);
/// "Bomb/x.poke", with the entity's stored name; empty: nothing is known.
[[nodiscard]] std::string read_last_words(const std::filesystem::path& run, const kernel::PeerAddress& dead);

}  // namespace epic::io
