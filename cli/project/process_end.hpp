#pragma once
// ProcessEnd: waits for the end of a process, of whatever parent.

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>

namespace epic::cli {

/// A resource.
class ProcessEnd {
 public:
  explicit ProcessEnd(pid_t pid) : descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  ProcessEnd(const ProcessEnd&) = delete;
  ProcessEnd& operator=(const ProcessEnd&) = delete;
  ~ProcessEnd() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  /// False if it has not ended in time. A process that has ended counts, whether it has been waited for or not.
  [[nodiscard]] bool wait(std::chrono::milliseconds timeout) const {
    if (descriptor_ < 0) return true;  // there is none
    pollfd wanted{.fd = descriptor_, .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1, static_cast<int>(timeout.count())) == 1;
  }

 private:
  int descriptor_;  // becomes readable when the process has ended
};

}  // namespace epic::cli
