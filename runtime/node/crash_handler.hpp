#pragma once
// The crash handler: when a node dies by a signal, or because an entity ends it, writes which entity it was running,
// and where, into memory that the supervisor reads afterwards (protocol/crash_report.hpp), and which entity into a file
// for its peers (io/last_words.hpp).
//
// Signals: all whose default is the end of the process and that a process can handle, unless they are ignored; SIGQUIT
// is by what the supervisor ends a node whose turn does not end. Afterwards the signal does what it would have done
// without us, so that core dumps and sanitizers' reports stay. What another process has sent is not an entity's deed,
// and nobody is named.
//
// Functions of the C library that end a process past all handlers: fatal_calls.cpp notes who calls them.
//
// A thread that an entity's code has started is the entity's, to the last destructor that runs when it ends.

#include <pthread.h>

#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "kernel/ids.hpp"
#include "protocol/crash_report.hpp"

namespace epic::node {

/// On the execution thread, once per process. `memory` is the path of a file of the size of a CrashReport, which stays
/// mapped. The error is a sentence; the node can do without.
[[nodiscard]] std::expected<protocol::CrashReport*, std::string> install_crash_handler(
    const std::string& memory, const std::filesystem::path& last_words, kernel::Incarnation incarnation);

/// As long as it exists, an end of the process is the deed of the entity whose code has made it. Code of the runtime
/// notes nothing, and neither do processes that have been forked from this one.
class NotedEnd {
 public:
  NotedEnd();
  ~NotedEnd();
  NotedEnd(const NotedEnd&) = delete;
  NotedEnd& operator=(const NotedEnd&) = delete;
  /// Also in a forked process.
  [[nodiscard]] bool is_by_entity() const { return is_by_entity_; }
  [[nodiscard]] bool is_noted() const { return is_noted_; }

 private:
  bool is_by_entity_ = false;
  bool is_noted_ = false;
  bool is_first_ = false;
};

/// The entity whose code runs on this thread.
struct Culprit {
  kernel::EntityText entity;
  kernel::MethodText method;
};
/// Null: code of the runtime.
[[nodiscard]] std::unique_ptr<Culprit> find_culprit();
/// From here on this thread belongs to an entity; an empty name: to the runtime.
void own_thread(std::string_view entity, std::string_view method);

}  // namespace epic::node
