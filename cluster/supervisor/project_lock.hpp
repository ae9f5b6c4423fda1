#pragma once
// ProjectLock: at most one supervisor a project.
//
// An flock on .epic/supervisor.lock, with the holder's pid inside. The system drops it when the process ends, however
// that happens; a file that is left behind locks nobody out.

#include <expected>
#include <filesystem>

#include "cluster/control/supervisor_error.hpp"

namespace epic::cluster {

class ProjectLock {
 public:
  /// Fails at once when a living supervisor holds it; the message names its pid. Waits a moment for one who only tidies
  /// up.
  [[nodiscard]] static std::expected<ProjectLock, SupervisorError> try_take(const std::filesystem::path& path);

  /// For the janitor of a dead supervisor, whose pid stays inside. Fails when there is no lock file, or somebody holds
  /// it.
  [[nodiscard]] static std::expected<ProjectLock, SupervisorError> try_take_to_tidy(const std::filesystem::path& path);

  ProjectLock(ProjectLock&& other) noexcept;
  ProjectLock& operator=(ProjectLock&&) = delete;
  /// Removes the file and lets go.
  ~ProjectLock();

 private:
  ProjectLock(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::filesystem::path path_;
  int fd_;
};

}  // namespace epic::cluster
