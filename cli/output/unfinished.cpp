#include "cli/output/unfinished.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMade = "made";
constexpr int kNamesMax = 100;  // as many may be taken by others

bool is_name_taken(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

}  // namespace

std::expected<Unfinished, int> Unfinished::begin(const fs::path& target) {
  int error = EEXIST;
  for (int attempt = 0; attempt < kNamesMax && error == EEXIST; ++attempt) {
    fs::path path = target;
    path += attempt == 0 ? fmt::format(".{}.new", ::getpid()) : fmt::format(".{}-{}.new", ::getpid(), attempt);
    error = ::mkdir(path.c_str(), 0700) == 0 ? 0 : errno;
    if (error != 0) continue;
    auto directory = files::Directory::open(path);
    if (!directory) return std::unexpected(directory.error().system_error);
    return Unfinished(std::move(*directory));
  }
  return std::unexpected(error);
}

Unfinished::~Unfinished() {
  if (directory_.descriptor() < 0) return;
  directory_.remove_tree(kMade);
  directory_.remove_files();
  ::rmdir(directory_.path().c_str());
}

fs::path Unfinished::path() const { return fmt::format("/proc/self/fd/{}/{}", directory_.descriptor(), kMade); }

int Unfinished::move_to(const fs::path& target, Existing existing) {
  if (existing == Existing::refused) {
    if (::renameat2(directory_.descriptor(), kMade, AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    if (is_name_taken(target)) return EEXIST;  // the file system cannot do it in one step
  }
  return ::renameat(directory_.descriptor(), kMade, AT_FDCWD, target.c_str()) == 0 ? 0 : errno;
}

}  // namespace epic::cli
