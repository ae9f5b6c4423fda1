#include "cluster/supervisor/module_copies.hpp"

#include <fmt/format.h>

#include <algorithm>

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
  copies_.push_back(copy);
  return copy;
}

std::expected<ModuleCopy, SupervisorError> ModuleCopies::take_from(const fs::path& path, Generation generation,
                                                                   std::chrono::system_clock::time_point built_at) {
  if (const ModuleCopy* const known = find(generation)) return *known;
  const ModuleCopy copy{.generation = generation, .path = path_of(generation), .built_at = built_at};
  if (const auto copied = files::copy_into(path, copy.path); !copied) return std::unexpected(error_of(copied.error()));
  newest_ = std::max(newest_, generation);
  copies_.push_back(copy);
  return copy;
}

const ModuleCopy* ModuleCopies::find(Generation generation) const {
  const auto found = std::ranges::find(copies_, generation, &ModuleCopy::generation);
  return found == copies_.end() ? nullptr : &*found;
}

void ModuleCopies::remove_all_but(Generation generation) {
  const auto directory = files::Directory::open(directory_);
  if (!directory) return;
  for (Generation one{1}; one <= newest_; one = one.next())
    if (one != generation) directory->remove(path_of(one).filename().string());
  std::erase_if(copies_, [&](const ModuleCopy& copy) { return copy.generation != generation; });
}

fs::path ModuleCopies::path_of(Generation generation) const {
  return directory_ / fmt::format("{}-{}{}", module_.stem().string(), generation, module_.extension().string());
}

}  // namespace epic::cluster
