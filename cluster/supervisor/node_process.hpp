#pragma once
// NodeProcess: one live process of a node, as the fleet sees it: messages both ways, its output, its end.
//
// When on_end is called nothing of it is left: neither the process, nor its children, nor an unread byte of its output.
//
// Implementations: spawned_process.hpp, machines.cpp.
// Not here:        when to start and restart (fleet.hpp), what messages mean.

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/supervisor/node_exit.hpp"
#include "cluster/supervisor/shared_message.hpp"
#include "protocol/supervision.hpp"

namespace epic::cluster {

/// On its host's only thread.
class NodeProcess {
 public:
  struct Events {
    std::function<void(const protocol::FromNode&)> on_message;
    std::function<void(std::string_view)> on_log;     // a line of its log, without the line break
    std::function<void(std::string_view)> on_output;  // the same of what its code prints, which may be anything
    std::function<void(std::string)> on_garbage;      // its messages are malformed; none follows
    std::function<void()> on_cut_off;  // it sends no messages any longer: it ends, or has lost its end of the channel
    std::function<void(ProcessEnd)> on_end;  // the last event
  };

  struct Program {
    std::filesystem::path path;
    std::vector<std::string> arguments;
    std::filesystem::path directory;
  };

  /// Kills it if it is still alive, and waits for its end; there are no more events.
  virtual ~NodeProcess() = default;

  [[nodiscard]] virtual pid_t pid() const = 0;
  /// False if it has not read for so long that the limit is reached.
  [[nodiscard]] virtual bool try_send(const protocol::ToNode& message) = 0;
  /// The same, for a process that has been sent something before.
  [[nodiscard]] virtual bool try_share(const SharedMessage& message) { return try_send(message.message()); }
  /// Sends any signal. False if the process has ended.
  [[nodiscard]] virtual bool try_signal(int number) = 0;
  /// Sends SIGKILL, which also works on a stopped process. on_end follows.
  virtual void kill() = 0;

  /// False while nothing that is said to it arrives, and nothing that it says: its machine has no link to us.
  [[nodiscard]] virtual bool is_reachable() const { return true; }

  /// Path of the memory in which it records what it was running when it died; or why there is none.
  [[nodiscard]] virtual std::expected<std::string, std::string> crash_memory() const = 0;
  /// What it has left there. Empty: nothing, or no entity's code was running.
  [[nodiscard]] virtual std::optional<Crash> read_crash() const = 0;
  /// Lines of its log that it has not written, and has not reported as dropped. Known when it has ended.
  [[nodiscard]] virtual std::uint64_t count_lost_lines() const { return 0; }
};

}  // namespace epic::cluster
