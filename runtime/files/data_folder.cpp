#include "files/data_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <system_error>

namespace epic::files {

namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
/// Of a file that is known to be a regular one, should it have been exchanged meanwhile.
constexpr int kFileFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

[[noreturn]] void throw_error(std::string_view doing, const std::string& path, int error) {
  throw std::filesystem::filesystem_error("cannot " + std::string(doing), path,
                                          std::error_code(error, std::system_category()));
}

/// What is there under the name; empty: nothing. Throws if it is not a regular file.
std::optional<struct stat> find_regular(int folder, const std::string& name, const std::string& path,
                                        std::string_view doing) {
  struct stat found{};
  if (::fstatat(folder, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throw_error(doing, path, errno);
  }
  if (S_ISDIR(found.st_mode)) throw_error(doing, path, EISDIR);
  if (S_ISLNK(found.st_mode)) throw_error(doing, path, ELOOP);
  if (!S_ISREG(found.st_mode)) throw_error(doing, path, EPERM);
  return found;
}

Descriptor open_regular(int folder, const std::string& name, int flags, const std::string& path,
                        std::string_view doing) {
  Descriptor file(::openat(folder, name.c_str(), flags | kFileFlags, 0666));
  if (file.get() < 0) throw_error(doing, path, errno);
  struct stat opened{};
  if (::fstat(file.get(), &opened) != 0) throw_error(doing, path, errno);
  if (!S_ISREG(opened.st_mode)) throw_error(doing, path, EPERM);
  return file;
}

/// 0, or the error.
int try_write(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(file) == 0 ? 0 : errno;
}

std::string make_temporary_name() {
  static std::atomic<std::uint64_t> last{0};
  return ".epic-" + std::to_string(::getpid()) + "-" + std::to_string(++last);
}

}  // namespace

DataFolder::Place DataFolder::find(const std::string& path, Missing folders, std::string_view doing) const {
  if (folders == Missing::is_made) {
    std::error_code error;
    std::filesystem::create_directories(root_, error);
    if (error) throw_error(doing, path, error.value());
  }
  Descriptor folder(::open(root_.c_str(), kFolderFlags));
  if (folder.get() < 0) throw_error(doing, path, errno);
  std::size_t begin = 0;
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', begin)) {
    const std::string part = path.substr(begin, end - begin);
    if (folders == Missing::is_made) {
      if (::mkdirat(folder.get(), part.c_str(), 0777) == 0)
        static_cast<void>(::fsync(folder.get()));  // if that fails, so does what follows
      else if (errno != EEXIST)
        throw_error(doing, path, errno);
    }
    folder = Descriptor(::openat(folder.get(), part.c_str(), kFolderFlags | O_NOFOLLOW));
    if (folder.get() < 0) throw_error(doing, path, errno);
    begin = end + 1;
  }
  return {std::move(folder), path.substr(begin)};
}

std::string DataFolder::read(const std::string& path) const {
  constexpr std::string_view kDoing = "read file";
  const Place place = find(path, Missing::is_error, kDoing);
  const auto found = find_regular(place.folder.get(), place.name, path, kDoing);
  if (!found) throw_error(kDoing, path, ENOENT);
  const Descriptor file = open_regular(place.folder.get(), place.name, O_RDONLY, path, kDoing);
  std::string content;
  std::size_t size = static_cast<std::size_t>(found->st_size);
  for (std::size_t used = 0;;) {
    if (std::max(size, used) > bytes_max_) throw_error(kDoing, path, EFBIG);
    content.resize(std::max(size, used) + 1);  // the last byte: to see that there is nothing more
    const ssize_t count = ::read(file.get(), content.data() + used, content.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_error(kDoing, path, errno);
    used += static_cast<std::size_t>(count);
    if (count == 0) {
      content.resize(used);
      return content;
    }
    if (used == content.size()) size = 2 * used;  // it has grown
  }
}

void DataFolder::write(const std::string& path, std::string_view content) const {
  constexpr std::string_view kDoing = "write file";
  const Place place = find(path, Missing::is_made, kDoing);
  const auto former = find_regular(place.folder.get(), place.name, path, kDoing);
  const std::string temporary = make_temporary_name();
  const Descriptor file = open_regular(place.folder.get(), temporary, O_WRONLY | O_CREAT | O_EXCL, path, kDoing);
  int error = former && ::fchmod(file.get(), former->st_mode & 07777) != 0 ? errno : 0;
  if (error == 0) error = try_write(file.get(), content);
  if (error == 0 && ::renameat(place.folder.get(), temporary.c_str(), place.folder.get(), place.name.c_str()) != 0)
    error = errno;
  if (error != 0) {
    ::unlinkat(place.folder.get(), temporary.c_str(), 0);
    throw_error(kDoing, path, error);
  }
  if (::fsync(place.folder.get()) != 0) throw_error(kDoing, path, errno);
}

void DataFolder::append(const std::string& path, std::string_view content) const {
  constexpr std::string_view kDoing = "append to file";
  const Place place = find(path, Missing::is_made, kDoing);
  const bool is_new = !find_regular(place.folder.get(), place.name, path, kDoing);
  const Descriptor file = open_regular(place.folder.get(), place.name, O_WRONLY | O_APPEND | O_CREAT, path, kDoing);
  if (const int error = try_write(file.get(), content); error != 0) throw_error(kDoing, path, error);
  if (is_new && ::fsync(place.folder.get()) != 0) throw_error(kDoing, path, errno);
}

bool DataFolder::remove(const std::string& path) const {
  constexpr std::string_view kDoing = "remove file";
  std::optional<Place> place;
  try {
    place = find(path, Missing::is_error, kDoing);
  } catch (const std::filesystem::filesystem_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory) return false;
    throw;
  }
  if (!find_regular(place->folder.get(), place->name, path, kDoing)) return false;
  if (::unlinkat(place->folder.get(), place->name.c_str(), 0) != 0) {
    if (errno == ENOENT) return false;
    throw_error(kDoing, path, errno);
  }
  if (::fsync(place->folder.get()) != 0) throw_error(kDoing, path, errno);
  return true;
}

}  // namespace epic::files
