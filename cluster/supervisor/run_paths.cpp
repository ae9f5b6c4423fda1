#include "cluster/supervisor/run_paths.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

namespace epic::cluster {

namespace fs = std::filesystem;

namespace {

// The only link below .epic, and it is read, never followed.
constexpr std::string_view kOwnLink = "logs/latest";

}  // namespace

RunPaths::RunPaths(const fs::path& project_directory)
    : directory(project_directory / ".epic"),
      lock(directory / "supervisor.lock"),
      run_count(directory / "run_count"),
      control_socket(directory / "control.sock"),
      machine_socket(directory / "machine.sock"),
      run(directory / "run"),
      modules(directory / "modules"),
      logs(directory / "logs") {}

fs::path RunPaths::node_socket(kernel::NodeId node) const { return run / fmt::format("node-{}.sock", node); }

std::expected<void, SupervisorError> prepare_directories(const RunPaths& paths) {
  for (const fs::path& directory : {paths.directory, paths.run, paths.logs}) {
    if (const auto made = files::make_directory(directory); !made) return std::unexpected(error_of(made.error()));
    if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
      return std::unexpected(
          SupervisorError{.message = fmt::format("Cannot write to {}: {}.", directory.string(), std::strerror(errno)),
                          .hint = "Check the permissions of the directory and the free space on its disk.",
                          .log = {}});
  }
  // Other supervisors, and a database, keep what is theirs there.
  if (const auto secured = files::secure_tree(paths.directory, kOwnLink, {"machines", "postgres"}); !secured)
    return std::unexpected(error_of(secured.error()));
  return {};
}

void remove_run_files(const files::Directory& directory) {
  directory.remove("control.sock");
  directory.remove("machine.sock");
  if (const auto run = directory.open_below("run")) run->remove_files();
}

std::expected<std::uint64_t, SupervisorError> count_run(const RunPaths& paths) {
  std::uint64_t count = 0;
  const auto text = files::read_file(paths.run_count);
  if (!text && text.error().system_error != ENOENT) return std::unexpected(error_of(text.error()));
  if (text) {
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), count);
    if (parsed.ec != std::errc{} || std::string_view(parsed.ptr) != "\n")
      return std::unexpected(SupervisorError{
          .message = fmt::format("{} does not contain the number of starts of the fabric, as it should.",
                                 paths.run_count.string()),
          .hint = fmt::format("Remove it: rm '{}'", paths.run_count.string()),
          .log = {}});
  }
  ++count;
  if (auto written = files::replace_file(paths.run_count, fmt::format("{}\n", count)); !written)
    return std::unexpected(error_of(written.error()));
  return count;
}

}  // namespace epic::cluster
