#include "cluster/supervisor/module_copies.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "files/digest.hpp"
#include "reflect/try.hpp"

namespace epic::cluster {

namespace fs = std::filesystem;

namespace {

/// It names a file.
bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::expected<ModuleCopy, SupervisorError> ModuleCopies::take() {
  if (module_.empty()) return take_again();
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
  auto digest = files::digest_of(copy.path);
  if (!digest) return std::unexpected(error_of(digest.error()));
  copy.digest = *std::move(digest);
  newest_ = next;
  copies_.push_back(copy);
  return copy;
}

std::expected<ModuleCopy, SupervisorError> ModuleCopies::take_again() {
  if (copies_.empty())
    return std::unexpected(
        SupervisorError{"This machine has no module: it has joined a fabric, and no node has run here yet.",
                        "Start another one first.",
                        {}});
  return number(copies_.back());
}

ModuleCopy ModuleCopies::number(ModuleCopy copy) {
  copy.generation = newest_ = newest_.next();
  copies_.push_back(copy);
  return copy;
}

std::optional<ModuleCopy> ModuleCopies::find(const protocol::ModuleOrigin& origin) {
  const Generation generation{origin.generation};
  const auto found = std::ranges::find_if(
      copies_, [&](const ModuleCopy& copy) { return copy.digest == origin.digest && copy.generation == generation; });
  if (found != copies_.end()) return *found;
  const auto path = find_file(origin.digest);
  if (!path) return std::nullopt;
  ModuleCopy copy{.generation = generation, .path = *path, .built_at = origin.built_at, .digest = origin.digest};
  if (generation == Generation{0}) return copy;
  newest_ = std::max(newest_, generation);
  copies_.push_back(copy);
  return copy;
}

/// One that is kept from an earlier run may have been damaged since.
std::optional<fs::path> ModuleCopies::find_file(const std::string& digest) {
  const auto found = std::ranges::find(copies_, digest, &ModuleCopy::digest);
  if (found != copies_.end()) return found->path;
  if (!is_digest(digest) || files::digest_of(kept_path(digest)) != digest) return std::nullopt;
  static_cast<void>(::utimensat(AT_FDCWD, kept_path(digest).c_str(), nullptr, 0));  // it was used last
  return kept_path(digest);
}

std::expected<std::string, SupervisorError> ModuleCopies::take_in(const fs::path& path) {
  const auto refuse = [](const files::Refusal& refusal) { return std::unexpected(error_of(refusal)); };
  if (const auto made = files::make_directory(kept_); !made) return refuse(made.error());
  if (const auto copied = files::copy_into(path, taken_path()); !copied) return refuse(copied.error());
  auto digest = files::digest_of(taken_path());
  if (!digest) return refuse(digest.error());
  if (const auto renamed = files::rename_file(taken_path(), kept_path(*digest)); !renamed)
    return refuse(renamed.error());
  remove_oldest();
  return *std::move(digest);
}

protocol::ModulePart ModuleCopies::read(const protocol::ModuleWanted& wanted) {
  protocol::ModulePart part{.digest = wanted.digest, .offset = wanted.offset};
  const auto path = find_file(wanted.digest);
  const auto file = path ? files::open_file(*path, files::Use::read) : std::unexpected(files::Refusal{});
  struct stat status{};
  if (!file || ::fstat(file->get(), &status) != 0) return part;
  part.size = static_cast<std::uint64_t>(status.st_size);
  if (wanted.offset >= part.size) return part;
  part.bytes.resize(std::min<std::uint64_t>(part.size - wanted.offset, protocol::kModulePartBytes));
  const ssize_t count = ::pread(file->get(), part.bytes.data(), part.bytes.size(), static_cast<off_t>(wanted.offset));
  part.bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
  return part;
}

std::expected<bool, SupervisorError> ModuleCopies::receive(const protocol::ModulePart& part) {
  const auto refuse = [](const files::Refusal& refusal) { return std::unexpected(error_of(refusal)); };
  if (!is_digest(part.digest) || part.bytes.empty() || part.offset != (part.offset == 0 ? 0 : arrived_bytes_) ||
      (part.offset != 0 && part.digest != arriving_))
    return std::unexpected(SupervisorError{"The module does not come as it was asked for.", {}, {}});
  if (part.offset == 0) {
    if (const auto made = files::make_directory(kept_); !made) return refuse(made.error());
    arriving_ = part.digest;
    arrived_bytes_ = 0;
  }
  const auto file = files::open_file(part_path(), part.offset == 0 ? files::Use::replace : files::Use::write);
  if (!file) return refuse(file.error());
  const ssize_t count = ::pwrite(file->get(), part.bytes.data(), part.bytes.size(), static_cast<off_t>(part.offset));
  if (count != static_cast<ssize_t>(part.bytes.size()))
    return std::unexpected(SupervisorError{
        fmt::format("Cannot write to {}: {}.", part_path().string(), std::strerror(count < 0 ? errno : ENOSPC)),
        "Make room on the disk.",
        {}});
  arrived_bytes_ += part.bytes.size();
  if (arrived_bytes_ < part.size) return false;
  return finish(part.digest);
}

std::expected<bool, SupervisorError> ModuleCopies::finish(const std::string& digest) {
  const auto arrived = files::digest_of(part_path());
  if (!arrived) return std::unexpected(error_of(arrived.error()));
  if (*arrived != digest)
    return std::unexpected(SupervisorError{
        fmt::format("The module that came is {}, and {} was asked for.", arrived->substr(0, 12), digest.substr(0, 12)),
        {},
        {}});
  if (const auto renamed = files::rename_file(part_path(), kept_path(digest)); !renamed)
    return std::unexpected(error_of(renamed.error()));
  remove_oldest();
  return true;
}

bool ModuleCopies::is_in_use(const fs::path& path) const {
  return std::ranges::find(copies_, path, &ModuleCopy::path) != copies_.end();
}

/// Nodes that run one have its code in memory, and need its file only to start again.
void ModuleCopies::remove_oldest() {
  std::vector<std::pair<fs::file_time_type, fs::path>> kept;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kept_, error))
    if (entry.path().extension() == ".so" && !is_in_use(entry.path()))
      kept.emplace_back(entry.last_write_time(error), entry.path());
  if (kept.size() <= kKeptMax) return;
  std::ranges::sort(kept);
  const auto directory = files::Directory::open(kept_);
  for (std::size_t i = 0; directory && i < kept.size() - kKeptMax; ++i)
    directory->remove(kept[i].second.filename().string());
}

/// A file may be the copy of several generations, if a restart was requested with the same module again.
void ModuleCopies::remove_all_but(Generation generation) {
  std::erase_if(copies_, [&](const ModuleCopy& copy) { return copy.generation != generation; });
  const auto directory = files::Directory::open(directory_);
  if (!directory) return;
  for (Generation one{1}; one <= newest_; one = one.next())
    if (!is_in_use(path_of(one))) directory->remove(path_of(one).filename().string());
}

fs::path ModuleCopies::path_of(Generation generation) const {
  return directory_ / fmt::format("{}-{}{}", module_.stem().string(), generation, module_.extension().string());
}

}  // namespace epic::cluster
