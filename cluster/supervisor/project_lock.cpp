#include "cluster/supervisor/project_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

namespace epic::cluster {

namespace {

/// The file may have been removed, or replaced, between open and flock; a lock on such a file keeps nobody out.
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

}  // namespace

std::expected<ProjectLock, SupervisorError> ProjectLock::try_take(const std::filesystem::path& path) {
  while (true) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
      return std::unexpected(
          SupervisorError{.message = fmt::format("Cannot open {}: {}.", path.string(), std::strerror(errno)),
                          .hint = "Check the permissions of the project's directory.",
                          .log = {}});
    ProjectLock lock{path, fd};
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const auto holder = read_pid(fd);
      lock.path_.clear();  // not ours to remove
      return std::unexpected(SupervisorError{
          .message = holder ? fmt::format("The fabric of this project is already running (pid {}).", *holder)
                            : std::string("The fabric of this project is already running."),
          .hint = "'epic ps' shows it and 'epic stop' ends it.",
          .log = {}});
    }
    if (!is_same_file(fd, path)) {
      lock.path_.clear();
      continue;
    }
    const std::string pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
      return std::unexpected(
          SupervisorError{.message = fmt::format("Cannot write {}: {}.", path.string(), std::strerror(errno)),
                          .hint = "Check the space on its disk.",
                          .log = {}});
    return lock;
  }
}

ProjectLock::ProjectLock(ProjectLock&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(std::exchange(other.fd_, -1)) {}

ProjectLock::~ProjectLock() {
  if (fd_ < 0) return;
  if (!path_.empty()) ::unlink(path_.c_str());
  ::close(fd_);
}

}  // namespace epic::cluster
