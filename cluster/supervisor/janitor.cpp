#include "cluster/supervisor/janitor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "cluster/supervisor/project_lock.hpp"

namespace epic::cluster {

namespace {

/// Descriptors of a dying process close one after the other: the pipe perhaps before the lock.
constexpr int kLockAttemptsMax = 100;
constexpr int kLockPauseMs = 10;
/// … and both before its children get their death signal: a node that is just starting may still create its socket.
constexpr int kNodesEndMs = 50;

/// Becomes a process that no terminal and no signal to a group reaches, and that keeps nothing open.
void withdraw(int& pipe) {
  ::setsid();
  ::prctl(PR_SET_NAME, "epic-janitor");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  if (pipe != 0) pipe = ::dup2(pipe, 0);
  ::close_range(1, ~0U, 0);
}

[[noreturn]] void wait_and_tidy(const RunPaths& paths, int pipe) {
  withdraw(pipe);
  char word = 0;
  ssize_t heard = 0;
  do heard = ::read(pipe, &word, 1);
  while (heard < 0 && errno == EINTR);
  if (heard > 0) ::_exit(0);
  ::poll(nullptr, 0, kNodesEndMs);

  for (int attempt = 0; attempt < kLockAttemptsMax; ++attempt) {
    if (const auto lock = ProjectLock::try_take_to_tidy(paths.lock)) {
      remove_run_files(lock->directory());
      break;  // the lock file is removed with the lock
    }
    ::poll(nullptr, 0, kLockPauseMs);
  }
  ::_exit(0);
}

}  // namespace

std::expected<Janitor, SupervisorError> Janitor::hire(const RunPaths& paths) {
  const auto failure = [] {
    return std::unexpected(SupervisorError{.message = fmt::format("Cannot start a process: {}.", std::strerror(errno)),
                                           .hint = "Check the limits of this user with 'ulimit -a'.",
                                           .log = {}});
  };
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return failure();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(pipe[1]);
    wait_and_tidy(paths, pipe[0]);
  }
  ::close(pipe[0]);
  if (pid < 0) {
    ::close(pipe[1]);
    return failure();
  }
  return Janitor(pid, pipe[1]);
}

Janitor::Janitor(Janitor&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pipe_(std::exchange(other.pipe_, -1)) {}

Janitor::~Janitor() {
  if (pid_ < 0) return;
  const char word = 0;
  (void)!::write(pipe_, &word, 1);
  ::close(pipe_);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace epic::cluster
