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

// What entities write is state, as private as the store. What was there keeps its mode: a person has chosen it.
constexpr mode_t kDataFileMode = 0600;
constexpr mode_t kDataFolderMode = 0700;
constexpr mode_t kDataPermissions = 0777;  // not set-user-ID: the content is another

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
  Descriptor file(::openat(folder, name.c_str(), flags | kFileFlags, kDataFileMode));
  if (file.get() < 0) throw_error(doing, path, errno);
  struct stat opened{};
  if (::fstat(file.get(), &opened) != 0) throw_error(doing, path, errno);
  if (!S_ISREG(opened.st_mode)) throw_error(doing, path, EPERM);
  return file;
}

void sync(int file, const std::string& path, std::string_view doing) {
  if (::fsync(file) != 0) throw_error(doing, path, errno);
}

/// From the file's own folder to the root. All of them, though most were on disk before: another process may have made
/// one, and have died, or not have come to this yet.
void sync_folders(const std::vector<Descriptor>& folders, const std::string& path, std::string_view doing) {
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) sync(folder->get(), path, doing);
}

/// 0, or the error.
int try_write(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}
int try_write_through(int file, std::string_view content) {
  if (const int error = try_write(file, content); error != 0) return error;
  return ::fsync(file) == 0 ? 0 : errno;
}

/// A file that is to take another one's place. A process that had our id may have left some.
Descriptor open_temporary(int folder, std::string& name, const std::string& path, std::string_view doing) {
  static std::atomic<std::uint64_t> last{0};
  while (true) {
    name = ".epic-" + std::to_string(::getpid()) + "-" + std::to_string(++last);
    Descriptor file(::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | kFileFlags, kDataFileMode));
    if (file.get() >= 0) return file;
    if (errno != EEXIST) throw_error(doing, path, errno);
  }
}

}  // namespace

DataFolder::DataFolder(const std::filesystem::path& root, std::size_t bytes_max)
    : root_((std::filesystem::absolute(root) / "").parent_path()), bytes_max_(bytes_max) {}

void DataFolder::make_root(const std::string& path, std::string_view doing) const {
  bool is_new = false;
  std::filesystem::path made;
  for (const std::filesystem::path& part : root_) {
    made /= part;
    if (::mkdir(made.c_str(), kDataFolderMode) == 0)
      is_new = true;
    else if (errno != EEXIST)
      throw_error(doing, path, errno);
  }
  if (!is_new && is_root_durable_) return;
  for (std::filesystem::path above = root_.parent_path(); above.has_relative_path(); above = above.parent_path()) {
    const Descriptor folder(::open(above.c_str(), kFolderFlags));
    if (folder.get() >= 0) sync(folder.get(), path, doing);  // otherwise nothing could be made there
  }
  is_root_durable_ = true;
}

DataFolder::Place DataFolder::find(const std::string& path, Missing folders, std::string_view doing) const {
  if (folders == Missing::is_made) make_root(path, doing);
  Place place;
  place.folders.emplace_back(::open(root_.c_str(), kFolderFlags));
  if (place.folder() < 0) throw_error(doing, path, errno);
  std::size_t begin = 0;
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', begin)) {
    const std::string part = path.substr(begin, end - begin);
    if (folders == Missing::is_made && ::mkdirat(place.folder(), part.c_str(), kDataFolderMode) != 0 && errno != EEXIST)
      throw_error(doing, path, errno);
    place.folders.emplace_back(::openat(place.folder(), part.c_str(), kFolderFlags | O_NOFOLLOW));
    if (place.folder() < 0) throw_error(doing, path, errno);
    begin = end + 1;
  }
  place.name = path.substr(begin);
  return place;
}

std::string DataFolder::read(const std::string& path) const {
  constexpr std::string_view kDoing = "read file";
  const Place place = find(path, Missing::is_error, kDoing);
  const auto found = find_regular(place.folder(), place.name, path, kDoing);
  if (!found) throw_error(kDoing, path, ENOENT);
  auto size = static_cast<std::size_t>(found->st_size);
  if (size > bytes_max_) throw_error(kDoing, path, EFBIG);
  const Descriptor file = open_regular(place.folder(), place.name, O_RDONLY, path, kDoing);
  std::string content;
  for (std::size_t used = 0;;) {
    content.resize(std::min(size, bytes_max_) + 1);  // the last byte: to see that there is nothing more
    const ssize_t count = ::read(file.get(), content.data() + used, content.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_error(kDoing, path, errno);
    used += static_cast<std::size_t>(count);
    if (count == 0) {
      content.resize(used);
      return content;
    }
    if (used > bytes_max_) throw_error(kDoing, path, EFBIG);
    if (used == content.size()) size = 2 * used;  // it has grown
  }
}

void DataFolder::write(const std::string& path, std::string_view content) const {
  constexpr std::string_view kDoing = "write file";
  const Place place = find(path, Missing::is_made, kDoing);
  const auto former = find_regular(place.folder(), place.name, path, kDoing);
  std::string temporary;
  const Descriptor file = open_temporary(place.folder(), temporary, path, kDoing);
  int error = former && ::fchmod(file.get(), former->st_mode & kDataPermissions) != 0 ? errno : 0;
  if (error == 0) error = try_write_through(file.get(), content);
  if (error == 0 && ::renameat(place.folder(), temporary.c_str(), place.folder(), place.name.c_str()) != 0)
    error = errno;
  if (error != 0) {
    ::unlinkat(place.folder(), temporary.c_str(), 0);
    throw_error(kDoing, path, error);
  }
  sync_folders(place.folders, path, kDoing);
}

void DataFolder::append(const std::string& path, std::string_view content) const {
  constexpr std::string_view kDoing = "append to file";
  const Place place = find(path, Missing::is_made, kDoing);
  static_cast<void>(find_regular(place.folder(), place.name, path, kDoing));
  const Descriptor file = open_regular(place.folder(), place.name, O_WRONLY | O_APPEND | O_CREAT, path, kDoing);
  if (const int error = try_write_through(file.get(), content); error != 0) throw_error(kDoing, path, error);
  sync_folders(place.folders, path, kDoing);
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
  if (!find_regular(place->folder(), place->name, path, kDoing)) return false;
  if (::unlinkat(place->folder(), place->name.c_str(), 0) != 0) {
    if (errno == ENOENT) return false;
    throw_error(kDoing, path, errno);
  }
  sync(place->folder(), path, kDoing);
  return true;
}

DataFile DataFolder::open(const std::string& path, Open how) const {
  constexpr std::string_view kDoing = "open file";
  const bool is_read = how == Open::to_read;
  const Place place = find(path, is_read ? Missing::is_error : Missing::is_made, kDoing);
  if (!find_regular(place.folder(), place.name, path, kDoing) && is_read) throw_error(kDoing, path, ENOENT);
  int flags = is_read ? O_RDONLY : O_RDWR | O_CREAT;
  if (how == Open::to_write_anew) flags |= O_TRUNC;
  if (how == Open::to_append) flags |= O_APPEND;
  DataFile file(open_regular(place.folder(), place.name, flags, path, kDoing), path);
  if (!is_read) sync_folders(place.folders, path, kDoing);
  return file;
}

// ---- an open file ----

std::size_t DataFile::read_at(std::uint64_t offset, std::span<char> into) const {
  std::size_t used = 0;
  while (used < into.size()) {
    const ssize_t count =
        ::pread(file_.get(), into.data() + used, into.size() - used, static_cast<off_t>(offset + used));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_error("read file", path_, errno);
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
  }
  return used;
}

void DataFile::write_at(std::uint64_t offset, std::string_view content) const {
  while (!content.empty()) {
    const ssize_t count = ::pwrite(file_.get(), content.data(), content.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_error("write file", path_, errno);
    content.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void DataFile::append(std::string_view content) const {
  if (const int error = try_write(file_.get(), content); error != 0) throw_error("append to file", path_, error);
}

void DataFile::sync() const { files::sync(file_.get(), path_, "sync file"); }

std::uint64_t DataFile::size() const {
  struct stat found{};
  if (::fstat(file_.get(), &found) != 0) throw_error("find the size of file", path_, errno);
  return static_cast<std::uint64_t>(found.st_size);
}

}  // namespace epic::files
