#include "storage/file_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace epic::storage {

namespace {

int flock_retrying(int descriptor, int operation) {
  int result = 0;
  do result = ::flock(descriptor, operation);
  while (result != 0 && errno == EINTR);
  return result;
}

StoreError lock_failed(const std::filesystem::path& path) {
  return {StoreErrorCode::io, fmt::format("cannot lock '{}': {}. The store needs a file system with working locks.",
                                          path.string(), std::strerror(errno))};
}

}  // namespace

StoreError store_error(const files::Refusal& refusal) {
  const bool is_full = refusal.system_error == ENOSPC || refusal.system_error == EDQUOT;
  return {is_full ? StoreErrorCode::full : StoreErrorCode::io, fmt::format("{} {}", refusal.message, refusal.hint)};
}

std::expected<FileLock, StoreError> FileLock::open(const std::filesystem::path& path) {
  auto file = files::open_file(path, files::Use::create);
  if (file) return FileLock(path, file->release());
  if (file.error().system_error == ENOENT) {
    return std::unexpected(StoreError{
        StoreErrorCode::not_found,
        fmt::format("the directory '{}' for the store does not exist. Run this in a project, or create the directory.",
                    path.parent_path().string())});
  }
  return std::unexpected(store_error(file.error()));
}

std::optional<FileLock> FileLock::open_existing(const std::filesystem::path& path) {
  auto file = files::open_file(path, files::Use::read);
  if (!file) return std::nullopt;
  return FileLock(path, file->release());
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::expected<FileLock::Hold, StoreError> FileLock::lock() {
  if (flock_retrying(descriptor_, LOCK_EX) != 0) return std::unexpected(lock_failed(path_));
  return Hold(descriptor_);
}

std::expected<std::optional<FileLock::Hold>, StoreError> FileLock::try_lock() {
  if (flock_retrying(descriptor_, LOCK_EX | LOCK_NB) == 0) return Hold(descriptor_);
  if (errno == EWOULDBLOCK) return std::nullopt;
  return std::unexpected(lock_failed(path_));
}

bool FileLock::is_shared_by_others() const {
  struct flock wanted{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1, .l_pid = 0};
  return ::fcntl(descriptor_, F_OFD_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK;
}

void FileLock::share() const {
  struct flock wanted{.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1, .l_pid = 0};
  ::fcntl(descriptor_, F_OFD_SETLK, &wanted);
}

void FileLock::write_note(const std::string& text) const {
  if (::ftruncate(descriptor_, 0) == 0) [[maybe_unused]]
    const ssize_t written = ::pwrite(descriptor_, text.data(), text.size(), 0);
}

std::string FileLock::read_note() const {
  char text[256];
  const ssize_t bytes = ::pread(descriptor_, text, sizeof text, 0);
  return bytes > 0 ? std::string(text, static_cast<std::size_t>(bytes)) : std::string();
}

void FileLock::mark() { [[maybe_unused]] const int result = ::ftruncate(descriptor_, 1); }

void FileLock::unmark() { [[maybe_unused]] const int result = ::ftruncate(descriptor_, 0); }

bool FileLock::is_marked() const {
  struct stat status{};
  return ::fstat(descriptor_, &status) == 0 && status.st_size > 0;
}

void FileLock::Hold::release() {
  if (descriptor_ < 0) return;
  flock_retrying(std::exchange(descriptor_, -1), LOCK_UN);
}

}  // namespace epic::storage
