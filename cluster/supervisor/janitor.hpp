#pragma once
// Janitor: a tiny process that tidies up when the supervisor could not.
//
// A supervisor that gets SIGKILL takes its nodes along (the kernel sees to that), but its socket files and its lock
// file would stay. So it forks a process that does nothing but wait for its end: at the other end of a pipe, in a
// session of its own, with every other descriptor closed. When the pipe closes without a word, the janitor lets
// the nodes end, takes the project's lock, removes what is left, and exits. If another supervisor was faster, it has
// done that already.

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
  /// Nothing is left to tidy: sends it home, and waits for its end.
  ~Janitor();

 private:
  Janitor(pid_t pid, int pipe) : pid_(pid), pipe_(pipe) {}

  pid_t pid_;
  int pipe_;
};

}  // namespace epic::cluster
