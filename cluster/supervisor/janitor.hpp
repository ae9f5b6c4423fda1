#pragma once
// Janitor: a tiny process that cleans up if the supervisor could not.
//
// When a supervisor gets SIGKILL, the kernel ends its nodes, but its socket files and its lock file would stay. So it
// forks a process that only waits for its end: at the other end of a pipe, in its own session, with every other
// descriptor closed. When the pipe closes without a message, the janitor waits for the nodes to end, takes the
// project's lock, removes what is left, and exits. If another supervisor was faster, it has already done that.

#include <sys/types.h>

#include <expected>

#include "cluster/supervisor/run_paths.hpp"

namespace epic::cluster {

class Janitor {
 public:
  /// Forks. Call it while the process has one thread and holds the project's lock.
  [[nodiscard]] static std::expected<Janitor, SupervisorError> hire(const RunPaths& paths);

  Janitor(Janitor&& other) noexcept;
  Janitor& operator=(Janitor&&) = delete;
  /// There is nothing to clean up: ends the janitor and waits for its end.
  ~Janitor();

 private:
  Janitor(pid_t pid, int pipe) : pid_(pid), pipe_(pipe) {}

  pid_t pid_;
  int pipe_;
};

}  // namespace epic::cluster
