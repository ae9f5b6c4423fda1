#include "cluster/supervisor/run_paths.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

namespace epic::cluster {

namespace fs = std::filesystem;

namespace {

SupervisorError io_error(std::string_view what, const fs::path& path, int error) {
  return {.message = fmt::format("Cannot {} {}: {}.", what, path.string(), std::strerror(error)),
          .hint = "Check the permissions of the directory and the free space on its disk.",
          .log = {}};
}

/// Replaces the file atomically and durably: after a crash it has the old text or the new one.
std::expected<void, SupervisorError> replace_file(const fs::path& path, std::string_view text) {
  fs::path fresh = path;
  fresh += ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return std::unexpected(io_error("write", fresh, errno));
  const bool is_written =
      ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  if (!is_written) return std::unexpected(io_error("write", fresh, error));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return std::unexpected(io_error("write", path, errno));
  return {};
}

}  // namespace

RunPaths::RunPaths(const fs::path& project_directory)
    : directory(project_directory / ".epic"),
      lock(directory / "supervisor.lock"),
      run_count(directory / "run_count"),
      control_socket(directory / "control.sock"),
      run(directory / "run"),
      logs(directory / "logs") {}

fs::path RunPaths::node_socket(kernel::NodeId node) const { return run / fmt::format("node-{}.sock", node); }

std::expected<void, SupervisorError> prepare_directories(const RunPaths& paths) {
  for (const fs::path& directory : {paths.directory, paths.run, paths.logs}) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) return std::unexpected(io_error("create the directory", directory, error.value()));
    if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
      return std::unexpected(io_error("write to", directory, errno));
  }
  return {};
}

void remove_run_files(const RunPaths& paths) {
  std::error_code ignored;
  fs::remove(paths.control_socket, ignored);
  for (const auto& entry : fs::directory_iterator(paths.run, ignored)) fs::remove(entry.path(), ignored);
}

std::expected<std::uint64_t, SupervisorError> count_run(const RunPaths& paths) {
  std::uint64_t count = 0;
  if (std::ifstream stream{paths.run_count}; stream) {
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
    if (parsed.ec != std::errc{} || std::string_view(parsed.ptr) != "\n")
      return std::unexpected(SupervisorError{
          .message = fmt::format("{} does not contain the number of starts of the fabric, as it should.",
                                 paths.run_count.string()),
          .hint = fmt::format("Remove it: rm '{}'", paths.run_count.string()),
          .log = {}});
  }
  ++count;
  if (auto written = replace_file(paths.run_count, fmt::format("{}\n", count)); !written)
    return std::unexpected(std::move(written).error());
  return count;
}

}  // namespace epic::cluster
