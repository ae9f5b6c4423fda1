#pragma once
// ProjectLock: at most one supervisor a project.
//
// An flock on .epic/supervisor.lock, with the holder's pid inside. The system drops it when the process ends, however
// that happens; a file that is left behind locks nobody out.

#include <expected>
#include <filesystem>

#include "cluster/supervisor/supervisor_error.hpp"

namespace epic::cluster {

class ProjectLock {
 public:
  /// Fails at once when another process holds it; the message names its pid.
  [[nodiscard]] static std::expected<ProjectLock, SupervisorError> try_take(const std::filesystem::path& path);

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
