#include "cluster/supervisor/project_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

namespace epic::cluster {

namespace {

constexpr int kTidyAttemptsMax = 200;
constexpr int kTidyPauseMs = 5;

SupervisorError file_error(std::string_view what, const std::filesystem::path& path, int error) {
  return {.message = fmt::format("Cannot {} {}: {}.", what, path.string(), std::strerror(error)),
          .hint = "Check the permissions of the project's directory and the free space on its disk.",
          .log = {}};
}

SupervisorError already_running(std::optional<pid_t> holder) {
  return {.message = holder ? fmt::format("The fabric of this project is already running (pid {}).", *holder)
                            : std::string("The fabric of this project is already running."),
          .hint = "'epic ps' shows it and 'epic stop' stops it.",
          .log = {}};
}

/// The file may be removed or replaced between open and flock; a lock on such a file excludes nobody.
bool is_same_file(int fd, const std::filesystem::path& path) {
  struct stat held{};
  struct stat named{};
  return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

std::optional<pid_t> read_pid(int fd) {
  char text[32];
  const ssize_t size = ::pread(fd, text, sizeof text, 0);
  pid_t pid = 0;
  if (size <= 0 || std::from_chars(text, text + size, pid).ec != std::errc{} || pid <= 0) return std::nullopt;
  return pid;
}

/// False for a process that has ended, even if it has not been waited for.
bool is_alive(pid_t pid) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (process < 0) return false;
  pollfd ended{process, POLLIN, 0};
  const bool is_ended = ::poll(&ended, 1, 0) == 1;
  ::close(process);
  return !is_ended;
}

enum class Held : std::uint8_t { no, by_other, file_was_replaced };

Held try_hold(int fd, const std::filesystem::path& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) return Held::by_other;
  return is_same_file(fd, path) ? Held::no : Held::file_was_replaced;
}

bool write_pid(int fd) {
  const std::string pid = fmt::format("{}\n", ::getpid());
  return ::ftruncate(fd, 0) == 0 && ::pwrite(fd, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size());
}

}  // namespace

std::expected<ProjectLock, SupervisorError> ProjectLock::try_take(const std::filesystem::path& path) {
  std::optional<pid_t> holder;
  for (int attempt = 0; attempt < kTidyAttemptsMax; ++attempt) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return std::unexpected(file_error("open", path, errno));
    const Held held = try_hold(fd, path);
    if (held == Held::no) {
      ProjectLock lock{path, fd};
      if (!write_pid(fd)) return std::unexpected(file_error("write", path, errno));
      return lock;
    }
    holder = read_pid(fd);
    ::close(fd);
    if (held == Held::file_was_replaced) continue;
    if (holder && is_alive(*holder)) return std::unexpected(already_running(holder));
    ::poll(nullptr, 0, kTidyPauseMs);  // held, but not by the process named in it: a process is starting or cleaning up
  }
  return std::unexpected(already_running(std::nullopt));
}

std::expected<ProjectLock, SupervisorError> ProjectLock::try_take_to_tidy(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::unexpected(file_error("open", path, errno));
  if (try_hold(fd, path) == Held::no) return ProjectLock{path, fd};
  ::close(fd);
  return std::unexpected(already_running(std::nullopt));
}

ProjectLock::ProjectLock(ProjectLock&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(std::exchange(other.fd_, -1)) {}

ProjectLock::~ProjectLock() {
  if (fd_ < 0) return;
  ::unlink(path_.c_str());
  ::close(fd_);
}

}  // namespace epic::cluster
