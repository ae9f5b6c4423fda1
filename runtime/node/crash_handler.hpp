#pragma once
// The crash handler: when a node dies by a signal, or because an entity calls exit(), writes which entity it was
// running, and where, into memory that the supervisor reads afterwards (protocol/crash_report.hpp), and which entity
// into a file for its peers (io/last_words.hpp).
//
// Signals: those of faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP), and SIGQUIT, by which the supervisor
// ends a node whose turn does not end. Afterwards the signal does what it would have done without us, so that core
// dumps and sanitizers' reports stay.

#include <expected>
#include <filesystem>
#include <string>

#include "kernel/ids.hpp"
#include "protocol/crash_report.hpp"

namespace epic::node {

/// On the execution thread, once per process. `memory` is the path of a file of the size of a CrashReport, which stays
/// mapped. The error is a sentence; the node can do without.
[[nodiscard]] std::expected<protocol::CrashReport*, std::string> install_crash_handler(
    const std::string& memory, const std::filesystem::path& last_words, kernel::Incarnation incarnation);

/// The process ends by a call of the thread that this runs on. True if that is code of an entity, which is then named.
[[nodiscard]] bool note_exit();

}  // namespace epic::node
