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

std::expected<FileLock, StoreError> FileLock::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor >= 0) return FileLock(path, descriptor);
  if (errno == ENOENT) {
    return std::unexpected(StoreError{
        StoreErrorCode::not_found,
        fmt::format("the directory '{}' for the store does not exist. Run this in a project, or create the directory.",
                    path.parent_path().string())});
  }
  const StoreErrorCode code = errno == ENOSPC || errno == EDQUOT ? StoreErrorCode::full : StoreErrorCode::io;
  return std::unexpected(StoreError{
      code, fmt::format("cannot open '{}' for writing: {}. The store's directory must be writable by the user who runs "
                        "the fabric (see `ls -ld {}`).",
                        path.string(), std::strerror(errno), path.parent_path().string())});
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
