#pragma once
// ProjectLock: at most one supervisor per project.
//
// An flock on .epic/supervisor.lock, with the holder's pid inside. The system releases it when the process ends, in
// whatever way; a leftover file blocks nobody.

#include <expected>
#include <filesystem>

#include "cluster/control/supervisor_error.hpp"

namespace epic::cluster {

class ProjectLock {
 public:
  /// Fails at once if a live supervisor holds it; the message names its pid. Waits a moment for a process that only
  /// cleans up.
  [[nodiscard]] static std::expected<ProjectLock, SupervisorError> try_take(const std::filesystem::path& path);

  /// For the janitor of a dead supervisor, whose pid stays inside. Fails if there is no lock file, or if it is held.
  [[nodiscard]] static std::expected<ProjectLock, SupervisorError> try_take_to_tidy(const std::filesystem::path& path);

  ProjectLock(ProjectLock&& other) noexcept;
  ProjectLock& operator=(ProjectLock&&) = delete;
  /// Removes the file and releases the lock.
  ~ProjectLock();

 private:
  ProjectLock(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::filesystem::path path_;
  int fd_;
};

}  // namespace epic::cluster
