#include "cluster/supervisor/module_copies.hpp"

#include <fmt/format.h>

namespace epic::cluster {

namespace fs = std::filesystem;

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
  if (const auto copied = files::copy_into(module_, copy.path); !copied)
    return std::unexpected(error_of(copied.error()));
  newest_ = next;
  return copy;
}

void ModuleCopies::remove_all_but(Generation generation) {
  const auto directory = files::Directory::open(directory_);
  if (!directory) return;
  for (Generation one{1}; one <= newest_; one = one.next())
    if (one != generation) directory->remove(path_of(one).filename().string());
}

fs::path ModuleCopies::path_of(Generation generation) const {
  return directory_ / fmt::format("{}-{}{}", module_.stem().string(), generation, module_.extension().string());
}

}  // namespace epic::cluster
