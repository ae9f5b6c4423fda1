#include "files/private_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

namespace epic::files {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kOthers = 077;
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
constexpr std::size_t kCopyBytes = 16 << 20;

std::unexpected<Refusal> refuse(const fs::path& path, std::string_view doing, int error) {
  const bool is_full = error == ENOSPC || error == EDQUOT;
  return std::unexpected(Refusal{
      error, fmt::format("Cannot {} '{}': {}.", doing, path.string(), std::strerror(error)),
      is_full ? fmt::format("Free some space on its file system (`df '{}'`).", path.parent_path().string())
              : fmt::format("It and its directory must be writable by this user (`ls -la '{}'` shows its owner).",
                            path.parent_path().string())});
}

std::unexpected<Refusal> is_link(const fs::path& path) {
  return std::unexpected(
      Refusal{ELOOP, fmt::format("'{}' is a symbolic link, and links in .epic are not followed.", path.string()),
              fmt::format("Remove it (`rm '{0}'`), or put what it leads to in its place.", path.string())});
}

std::unexpected<Refusal> is_of_other_kind(const fs::path& path, std::string_view kind) {
  return std::unexpected(Refusal{
      EINVAL, fmt::format("'{}' is not a {}.", path.string(), kind),
      fmt::format("Move it away: `mv -n '{}' '{}'`", path.string(), find_free_name(path.string() + ".old").string())});
}

enum class Kind : std::uint8_t { file, directory, any };

std::string_view name_of(Kind kind) {
  return kind == Kind::directory ? "directory" : kind == Kind::file ? "regular file" : "file, directory or socket";
}

bool is_a(Kind kind, mode_t mode) {
  if (kind == Kind::any) return S_ISREG(mode) || S_ISDIR(mode) || S_ISSOCK(mode);
  return kind == Kind::file ? S_ISREG(mode) : S_ISDIR(mode);
}

/// Accepts what `fd` (O_PATH suffices) refers to, perhaps after tightening it, or refuses it.
std::expected<void, Refusal> examine(const fs::path& path, int fd, Kind kind) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return refuse(path, "examine", errno);
  if (S_ISLNK(status.st_mode)) return is_link(path);
  if (!is_a(kind, status.st_mode)) return is_of_other_kind(path, name_of(kind));
  if (status.st_uid != ::geteuid())
    return std::unexpected(
        Refusal{EPERM,
                fmt::format("'{}' belongs to user {}, and this is user {}: they could read or replace it.",
                            path.string(), status.st_uid, ::geteuid()),
                fmt::format("Run epic as that user, or to start without it, move it away: `mv -n '{}' '{}'`",
                            path.string(), find_free_name(path.string() + ".old").string())});
  if ((status.st_mode & kOthers) == 0) return {};
  const std::string same = fmt::format("/proc/self/fd/{}", fd);
  if (::chmod(same.c_str(), status.st_mode & kDirectoryMode) != 0) return refuse(path, "change the mode of", errno);
  if (::fstat(fd, &status) == 0 && (status.st_mode & kOthers) == 0) return {};
  return std::unexpected(Refusal{
      EPERM, fmt::format("'{}' stays open to other users: its file system keeps no permissions.", path.string()),
      "Move the project to a local file system."});
}

std::expected<void, Refusal> examine_by_name(const fs::path& path, Kind kind) {
  const Descriptor found(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (found.get() < 0) return refuse(path, "open", errno);
  return examine(path, found.get(), kind);
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// Not "." and "..".
std::vector<dirent> list(int directory) {
  std::vector<dirent> entries;
  const int own = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = own < 0 ? nullptr : ::fdopendir(own);
  if (stream == nullptr) return entries;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back(*entry);
  }
  ::closedir(stream);
  return entries;
}

/// False for a link to a directory.
bool is_directory(int parent, const char* name) {
  struct stat status{};
  return ::fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

struct Exempt {
  fs::path link;
  std::vector<fs::path> contents;
};

std::expected<void, Refusal> secure_below(int directory, const fs::path& path, const Exempt& exempt) {
  for (const dirent& entry : list(directory)) {
    const fs::path named = path / entry.d_name;
    if (named == exempt.link) continue;
    const Descriptor found(::openat(directory, entry.d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (found.get() < 0 && errno == ENOENT) continue;  // a process that is ending has removed it
    if (found.get() < 0) return refuse(named, "open", errno);
    if (auto accepted = examine(named, found.get(), Kind::any); !accepted) return accepted;
    const Descriptor below(::openat(directory, entry.d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (below.get() < 0 || std::ranges::find(exempt.contents, named) != exempt.contents.end()) continue;
    if (auto secured = secure_below(below.get(), named, exempt); !secured) return secured;
  }
  return {};
}

void remove_tree_at(int parent, const char* name) {
  const Descriptor directory(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.get() >= 0)
    for (const dirent& entry : list(directory.get()))
      is_directory(directory.get(), entry.d_name) ? remove_tree_at(directory.get(), entry.d_name)
                                                  : static_cast<void>(::unlinkat(directory.get(), entry.d_name, 0));
  ::unlinkat(parent, name, AT_REMOVEDIR);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<void, Refusal> make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) return refuse(path, "create the directory", errno);
  return check_directory(path);
}

std::expected<void, Refusal> check_directory(const fs::path& path) { return examine_by_name(path, Kind::directory); }

std::expected<void, Refusal> secure_tree(const fs::path& path, const fs::path& own_link,
                                         const std::vector<fs::path>& foreign) {
  const auto directory = Directory::open(path);
  if (!directory) return std::unexpected(directory.error());
  Exempt exempt{.link = path / own_link, .contents = {}};
  for (const fs::path& one : foreign) exempt.contents.push_back(path / one);
  return secure_below(directory->descriptor(), path, exempt);
}

std::expected<Descriptor, Refusal> open_file(const fs::path& path, Use use) {
  constexpr int kAlways = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;  // no wait for the other end of a FIFO
  int flags = kAlways;
  switch (use) {
    case Use::read:
      flags |= O_RDONLY;
      break;
    case Use::write:
      flags |= O_RDWR;
      break;
    case Use::create:
      flags |= O_RDWR | O_CREAT;
      break;
    case Use::replace:
      flags |= O_WRONLY | O_CREAT;
      break;
  }
  Descriptor file(::open(path.c_str(), flags, kFileMode));
  if (file.get() < 0 && errno == ELOOP) return is_link(path);
  if (file.get() < 0) return refuse(path, "open", errno);
  if (auto accepted = examine(path, file.get(), Kind::file); !accepted) return std::unexpected(accepted.error());
  if (use == Use::replace && ::ftruncate(file.get(), 0) != 0) return refuse(path, "write", errno);
  return file;
}

std::expected<void, Refusal> secure_file(const fs::path& path, Missing missing) {
  auto accepted = examine_by_name(path, Kind::file);
  if (accepted || accepted.error().system_error != ENOENT) return accepted;
  if (missing == Missing::ignored) return {};
  const Descriptor made(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (made.get() < 0 && errno != EEXIST) return refuse(path, "create", errno);
  return examine_by_name(path, Kind::file);
}

std::expected<void, Refusal> refuse_link(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) return is_link(path);
  return {};
}

std::expected<Beside, Refusal> refuse_strangers(const fs::path& path,
                                                std::initializer_list<std::string_view> suffixes) {
  std::optional<uid_t> owner;
  const auto check = [&](const fs::path& file) -> std::expected<void, Refusal> {
    struct stat status{};
    if (::lstat(file.c_str(), &status) != 0) return {};
    if (S_ISLNK(status.st_mode)) return is_link(file);
    if (!S_ISREG(status.st_mode)) return is_of_other_kind(file, name_of(Kind::file));
    if (!owner) owner = status.st_uid;
    if (status.st_uid == *owner || status.st_uid == ::geteuid() || status.st_uid == 0) return {};
    return std::unexpected(
        Refusal{EPERM,
                fmt::format("'{}' belongs to user {}, and would change what is read from '{}'.", file.string(),
                            status.st_uid, path.string()),
                fmt::format("Copy '{}' to a directory where nobody else can make files.", path.string())});
  };
  if (auto checked = check(path); !checked) return std::unexpected(checked.error());
  struct stat around{};
  const bool is_closed = ::stat(fs::absolute(path).parent_path().c_str(), &around) == 0 &&
                         (around.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
                         (around.st_uid == ::geteuid() || around.st_uid == 0 || around.st_uid == owner);
  for (const std::string_view suffix : suffixes) {
    const fs::path beside = path.string() + std::string(suffix);
    if (auto checked = check(beside); !checked) return std::unexpected(checked.error());
    if (!is_closed && identify(beside))
      return std::unexpected(
          Refusal{EPERM,
                  fmt::format("'{}' would change what is read from '{}', and lies where other users may make files.",
                              beside.string(), path.string()),
                  fmt::format("Copy both to a directory where nobody else can, or close this one: `chmod go-w '{}'`",
                              fs::absolute(path).parent_path().string())});
  }
  return is_closed ? Beside::is_trusted : Beside::is_nothing;
}

std::expected<std::string, Refusal> read_file(const fs::path& path) {
  const auto file = open_file(path, Use::read);
  if (!file) return std::unexpected(file.error());
  std::string text;
  char piece[16384];
  while (true) {
    const ssize_t count = ::read(file->get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return refuse(path, "read", errno);
    if (count == 0) return text;
    text.append(piece, static_cast<std::size_t>(count));
  }
}

std::expected<void, Refusal> write_file(const fs::path& path, std::string_view text) {
  const auto file = open_file(path, Use::replace);
  if (!file) return std::unexpected(file.error());
  if (!write_all(file->get(), text)) return refuse(path, "write", errno);
  return {};
}

std::expected<void, Refusal> replace_file(const fs::path& path, std::string_view text) {
  const fs::path fresh = path.string() + ".new";
  const auto file = open_file(fresh, Use::replace);
  if (!file) return std::unexpected(file.error());
  if (!write_all(file->get(), text) || ::fsync(file->get()) != 0) return refuse(fresh, "write", errno);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return refuse(path, "write", errno);
  return {};
}

std::expected<void, Refusal> copy_into(const fs::path& from, const fs::path& to) {
  const Descriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) return refuse(from, "read", errno);
  const auto target = open_file(to, Use::replace);
  if (!target) return std::unexpected(target.error());
  if (::ioctl(target->get(), FICLONE, source.get()) == 0) return {};
  while (true) {
    const ssize_t count = ::sendfile(target->get(), source.get(), nullptr, kCopyBytes);
    if (count == 0) return {};
    if (count < 0 && errno != EINTR) return refuse(to, "write", errno);
  }
}

std::expected<void, Refusal> rename_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return refuse(to, "write", errno);
  return {};
}

std::expected<void, Refusal> link_file(const fs::path& path, const fs::path& second) {
  if (::link(path.c_str(), second.c_str()) != 0) return refuse(second, "create", errno);
  return {};
}

std::expected<void, Refusal> sync_file(const fs::path& path) {
  const auto file = open_file(path, Use::write);
  if (!file) return std::unexpected(file.error());
  if (::fsync(file->get()) != 0) return refuse(path, "write", errno);
  return {};
}

int sync_directory(const fs::path& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.get() >= 0 && ::fsync(directory.get()) == 0 ? 0 : errno;
}

std::expected<Identity, int> identify(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::unexpected(errno);
  return Identity{status.st_dev, status.st_ino};
}

fs::path find_free_name(const fs::path& wanted) {
  fs::path name = wanted;
  for (int number = 2; identify(name); ++number) name = fmt::format("{}-{}", wanted.string(), number);
  return name;
}

void remove_if_same(const fs::path& path, const Identity& identity) {
  if (identify(path) == identity) ::unlink(path.c_str());
}

std::expected<Directory, Refusal> Directory::open(fs::path path) { return open_at(AT_FDCWD, path, path); }

std::expected<Directory, Refusal> Directory::open_below(const std::string& name) const {
  return open_at(descriptor_.get(), name, path_ / name);
}

std::expected<Directory, Refusal> Directory::open_at(int parent, const fs::path& name, fs::path path) {
  Descriptor directory(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.get() < 0) {
    const int error = errno;
    if (auto accepted = examine_by_name(path, Kind::directory); !accepted) return std::unexpected(accepted.error());
    return refuse(path, "open", error);
  }
  if (auto accepted = examine(path, directory.get(), Kind::directory); !accepted)
    return std::unexpected(accepted.error());
  return Directory(std::move(path), std::move(directory));
}

void Directory::remove(const std::string& name) const { ::unlinkat(descriptor_.get(), name.c_str(), 0); }

void Directory::remove_files() const {
  for (const dirent& entry : list(descriptor_.get())) ::unlinkat(descriptor_.get(), entry.d_name, 0);
}

void Directory::remove_tree(const std::string& name) const { remove_tree_at(descriptor_.get(), name.c_str()); }

std::expected<void, Refusal> Directory::replace_link(const std::string& name, const std::string& target) const {
  const std::string fresh = fmt::format("{}.{}", name, ::getpid());
  remove(fresh);
  if (::symlinkat(target.c_str(), descriptor_.get(), fresh.c_str()) != 0 ||
      ::renameat(descriptor_.get(), fresh.c_str(), descriptor_.get(), name.c_str()) != 0)
    return refuse(path_ / name, "write", errno);
  return {};
}

bool Directory::is_in_place() const {
  struct stat own{};
  const auto named = identify(path_);
  return named && ::fstat(descriptor_.get(), &own) == 0 && *named == Identity{own.st_dev, own.st_ino};
}

}  // namespace epic::files
