#include "cluster/supervisor/module_copies.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace epic::cluster {

namespace fs = std::filesystem;

namespace {

/// Where the file system can: a copy that shares blocks with the original until one of them is written.
bool try_clone(const fs::path& from, const fs::path& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int target = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  const bool is_cloned = source >= 0 && target >= 0 && ::ioctl(target, FICLONE, source) == 0;
  if (source >= 0) ::close(source);
  if (target >= 0) ::close(target);
  return is_cloned;
}

}  // namespace

std::expected<ModuleCopy, SupervisorError> ModuleCopies::take() {
  const Generation next = newest_.next();
  ModuleCopy copy{.generation = next, .path = path_of(next), .built_at = {}};
  std::error_code error;
  const auto written = fs::last_write_time(module_, error);
  if (error)
    return std::unexpected(
        SupervisorError{.message = fmt::format("Cannot read the module {}: {}.", module_.string(), error.message()),
                        .hint = "Build it with 'epic build'.",
                        .log = {}});
  copy.built_at =
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(std::chrono::file_clock::to_sys(written));
  if (!try_clone(module_, copy.path)) fs::copy_file(module_, copy.path, fs::copy_options::overwrite_existing, error);
  if (error)
    return std::unexpected(SupervisorError{
        .message =
            fmt::format("Cannot copy the module {} to {}: {}.", module_.string(), copy.path.string(), error.message()),
        .hint = "Check the permissions of the directory and the free space on its disk.",
        .log = {}});
  newest_ = next;
  return copy;
}

void ModuleCopies::remove_all_but(Generation generation) {
  std::error_code ignored;
  for (Generation one{1}; one <= newest_; one = one.next())
    if (one != generation) fs::remove(path_of(one), ignored);
}

fs::path ModuleCopies::path_of(Generation generation) const {
  return directory_ / fmt::format("{}-{}{}", module_.stem().string(), generation, module_.extension().string());
}

}  // namespace epic::cluster
