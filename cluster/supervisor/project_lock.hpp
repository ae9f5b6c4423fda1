#pragma once
// ProjectLock: at most one supervisor per project.
//
// An flock on the directory .epic itself, so that whatever happens to the files in it, no two supervisors share one;
// supervisor.lock in it names the holder's pid. The system releases the lock when the process ends, in whatever way; a
// leftover file blocks nobody. If the directory is moved away or deleted, its lock goes with it, and what the holder
// removes through directory() is still its own.

#include <expected>
#include <filesystem>
#include <string>

#include "cluster/control/supervisor_error.hpp"

namespace epic::cluster {

class ProjectLock {
 public:
  /// Fails at once if a live supervisor holds it; the message names its pid. Waits a moment for a process that only
  /// cleans up.
  [[nodiscard]] static std::expected<ProjectLock, SupervisorError> try_take(const std::filesystem::path& path);

  /// For the janitor of a dead supervisor, whose pid stays inside. Fails if there is no lock file, or if it is held.
  [[nodiscard]] static std::expected<ProjectLock, SupervisorError> try_take_to_tidy(const std::filesystem::path& path);

  ProjectLock(ProjectLock&&) noexcept = default;
  ProjectLock& operator=(ProjectLock&&) = delete;
  /// Removes the file and releases the lock.
  ~ProjectLock();

  [[nodiscard]] const files::Directory& directory() const { return directory_; }

 private:
  ProjectLock(files::Directory directory, std::string name)
      : directory_(std::move(directory)), name_(std::move(name)) {}

  files::Directory directory_;
  std::string name_;
};

}  // namespace epic::cluster
