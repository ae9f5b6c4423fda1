#pragma once
// The one door to what lies in `.epic`: it is its owner's alone.
//
// `.epic` holds all saved state, the logs, and sockets through which entities are called. So its directories have mode
// 0700 and its files 0600, whatever the umask. What is more open is tightened when it is opened, if it is ours. What
// belongs to another user is refused, who could read or replace it, and so is a symbolic link: what is written or
// removed behind it could be anything. Sockets are made by transport/unix_socket.hpp in the same way.
//
// Invariant: below a directory that make_directory() or Directory has accepted, no other user can exchange a file
//            between its check and its use.
// Not here:  files that users name themselves (exports, sources, modules), /proc, /dev. tests/lint finds code that
//            opens, makes or removes files past this door.

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace epic::files {

/// Sentences that name the file, and what to do about it.
struct Refusal {
  int system_error;
  std::string message;
  std::string hint;
};

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// What a file is, beside its name.
struct Identity {
  dev_t device;
  ino_t inode;
  friend bool operator==(const Identity&, const Identity&) = default;
};

/// Makes it, or accepts it if it is there. Its parent must exist.
[[nodiscard]] std::expected<void, Refusal> make_directory(const std::filesystem::path& path);
/// ENOENT if it is not there.
[[nodiscard]] std::expected<void, Refusal> check_directory(const std::filesystem::path& path);

/// Everything below a directory, and itself: tightened, or refused. `own_link`, relative to it, may be a link; what is
/// in the directories of `foreign`, relative to it, is left to others.
[[nodiscard]] std::expected<void, Refusal> secure_tree(const std::filesystem::path& path,
                                                       const std::filesystem::path& own_link,
                                                       const std::vector<std::filesystem::path>& foreign = {});

enum class Use : std::uint8_t {
  read,
  write,    // read and write; ENOENT if it is missing
  create,   // read and write; made if it is missing
  replace,  // write; made, or emptied
};

/// A regular file.
[[nodiscard]] std::expected<Descriptor, Refusal> open_file(const std::filesystem::path& path, Use use);

enum class Missing : std::uint8_t { ignored, created };

/// For a file that a library opens by its name: checks and tightens it without opening it, since closing a descriptor
/// would drop the POSIX locks that this process has on it.
[[nodiscard]] std::expected<void, Refusal> secure_file(const std::filesystem::path& path, Missing missing);

/// For what is only read, perhaps as another user.
[[nodiscard]] std::expected<void, Refusal> refuse_link(const std::filesystem::path& path);
/// What lies beside a file under the same name with a suffix, for a library that trusts it as much.
enum class Beside : std::uint8_t {
  is_trusted,  // only those who may change the file, too, can make something there
  is_nothing,  // but others can at any time: the library must not look
};
/// For a file that a library only reads, perhaps another user's: it and what is beside it are regular files, of the
/// first one's owner or of one who may write to it anyway. What is missing is accepted. In a directory where others may
/// make files, there is nothing beside it.
[[nodiscard]] std::expected<Beside, Refusal> refuse_strangers(const std::filesystem::path& path,
                                                              std::initializer_list<std::string_view> suffixes);

[[nodiscard]] std::expected<std::string, Refusal> read_file(const std::filesystem::path& path);
/// In place.
[[nodiscard]] std::expected<void, Refusal> write_file(const std::filesystem::path& path, std::string_view text);
/// Atomically and durably: after a crash it has the former text or this one.
[[nodiscard]] std::expected<void, Refusal> replace_file(const std::filesystem::path& path, std::string_view text);
/// Shares blocks with `from`, a file outside of `.epic`, where the file system can.
[[nodiscard]] std::expected<void, Refusal> copy_into(const std::filesystem::path& from,
                                                     const std::filesystem::path& to);

/// Replaces what `to` names, at once. Durable with sync_directory().
[[nodiscard]] std::expected<void, Refusal> rename_file(const std::filesystem::path& from,
                                                       const std::filesystem::path& to);
/// A second name, where there is nothing yet: the file stays when the first one leads to another.
[[nodiscard]] std::expected<void, Refusal> link_file(const std::filesystem::path& path,
                                                     const std::filesystem::path& second);
/// Makes durable what any process has written to it.
[[nodiscard]] std::expected<void, Refusal> sync_file(const std::filesystem::path& path);
/// Makes the names in a directory durable, ours or not. Returns 0, or the system's error.
[[nodiscard]] int sync_directory(const std::filesystem::path& path);

/// The identity of what `path` names, which may be a link.
[[nodiscard]] std::expected<Identity, int> identify(const std::filesystem::path& path);

/// `wanted`, or if that is the name of something, the first of "wanted-2", "wanted-3", … that is not: where advice may
/// say to move something, so that nothing there is overwritten.
[[nodiscard]] std::filesystem::path find_free_name(const std::filesystem::path& wanted);

/// Unless another process has put something of its own there.
void remove_if_same(const std::filesystem::path& path, const Identity& identity);

/// One directory, however its name is used later: what is removed through it is its own.
class Directory {
 public:
  [[nodiscard]] static std::expected<Directory, Refusal> open(std::filesystem::path path);
  [[nodiscard]] std::expected<Directory, Refusal> open_below(const std::string& name) const;

  /// A file, socket or link; nothing happens if there is none.
  void remove(const std::string& name) const;
  /// All of them; directories in it stay.
  void remove_files() const;
  /// With everything in it.
  void remove_tree(const std::string& name) const;
  /// Makes `name` a link to `target` beside it, at once.
  [[nodiscard]] std::expected<void, Refusal> replace_link(const std::string& name, const std::string& target) const;

  /// Whether its path still leads to it.
  [[nodiscard]] bool is_in_place() const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }

 private:
  static std::expected<Directory, Refusal> open_at(int parent, const std::filesystem::path& name,
                                                   std::filesystem::path path);
  Directory(std::filesystem::path path, Descriptor descriptor)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  std::filesystem::path path_;
  Descriptor descriptor_;
};

}  // namespace epic::files
