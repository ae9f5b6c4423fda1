#include "cluster/supervisor/project_lock.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <utility>

namespace epic::cluster {

namespace {

constexpr int kTidyAttemptsMax = 200;
constexpr int kTidyPauseMs = 5;

SupervisorError already_running(std::optional<pid_t> holder) {
  return {.message = holder ? fmt::format("The fabric of this project is already running (pid {}).", *holder)
                            : std::string("The fabric of this project is already running."),
          .hint = "'epic ps' shows it and 'epic stop' stops it.",
          .log = {}};
}

std::optional<pid_t> read_pid(const std::filesystem::path& path) {
  const auto text = files::read_file(path);
  pid_t pid = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), pid).ec != std::errc{} || pid <= 0)
    return std::nullopt;
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

bool try_hold(const files::Directory& directory) { return ::flock(directory.descriptor(), LOCK_EX | LOCK_NB) == 0; }

}  // namespace

std::expected<ProjectLock, SupervisorError> ProjectLock::try_take(const std::filesystem::path& path) {
  for (int attempt = 0; attempt < kTidyAttemptsMax; ++attempt) {
    auto directory = files::Directory::open(path.parent_path());
    if (!directory) return std::unexpected(error_of(directory.error()));
    if (try_hold(*directory)) {
      if (!directory->is_in_place()) continue;  // moved away meanwhile
      ProjectLock lock{*std::move(directory), path.filename().string()};
      if (const auto written = files::write_file(path, fmt::format("{}\n", ::getpid())); !written)
        return std::unexpected(error_of(written.error()));
      return lock;
    }
    const auto holder = read_pid(path);
    if (holder && is_alive(*holder)) return std::unexpected(already_running(holder));
    ::poll(nullptr, 0, kTidyPauseMs);  // held, but not by the process named in it: a process is starting or cleaning up
  }
  return std::unexpected(already_running(std::nullopt));
}

std::expected<ProjectLock, SupervisorError> ProjectLock::try_take_to_tidy(const std::filesystem::path& path) {
  auto directory = files::Directory::open(path.parent_path());
  if (!directory) return std::unexpected(error_of(directory.error()));
  if (!try_hold(*directory)) return std::unexpected(already_running(std::nullopt));
  ProjectLock lock{*std::move(directory), path.filename().string()};
  if (!files::identify(path))
    return std::unexpected(SupervisorError{fmt::format("There is no {}.", path.string()), {}, {}});
  return lock;
}

ProjectLock::~ProjectLock() { directory_.remove(name_); }

}  // namespace epic::cluster
