#pragma once
// FileLock: whose turn it is, among processes and among the stores of one process.
//
// SQLite itself waits for a lock by sleeping for milliseconds and trying again, so a busy neighbour starves the others.
// flock() sleeps in the kernel and is woken by the release. It is taken on a separate file next to the database and
// never on the database itself: closing any descriptor of that file would drop SQLite's own locks. The kernel releases
// it when its holder dies.

#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "files/private_files.hpp"
#include "storage/store.hpp"

namespace epic::storage {

/// The error for a file that may not be used as it is.
[[nodiscard]] StoreError store_error(const files::Refusal& refusal);

class FileLock {
 public:
  /// Releases the lock at the end of the scope.
  class Hold {
   public:
    explicit Hold(int descriptor) : descriptor_(descriptor) {}
    Hold(Hold&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() { release(); }
    void release();

   private:
    int descriptor_;
  };

  /// Creates the file if it is missing. `io` if that is not allowed, `not_found` if there is no such directory.
  static std::expected<FileLock, StoreError> open(const std::filesystem::path& path);
  /// For reading. Empty if it cannot be opened.
  static std::optional<FileLock> open_existing(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

  /// Waits for its turn.
  [[nodiscard]] std::expected<Hold, StoreError> lock();
  /// Empty if another holds it.
  [[nodiscard]] std::expected<std::optional<Hold>, StoreError> try_lock();

  /// True if other processes have called share() on the same file and live. This is not one of the turns above.
  [[nodiscard]] bool is_shared_by_others() const;
  void share() const;
  /// A line for processes that open the file later.
  void write_note(const std::string& text) const;
  [[nodiscard]] std::string read_note() const;

  /// One bit that stays with the file, visible to all who open it: its size, which needs no space on a full disk.
  /// Neither synced nor certain: a disk that accepts no change at all does not accept this one.
  void mark();
  void unmark();
  [[nodiscard]] bool is_marked() const;

 private:
  FileLock(std::filesystem::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace epic::storage
