#pragma once
// FileLock: whose turn it is, among processes and among the stores of one process.
//
// SQLite's own way to wait for a lock is to sleep for milliseconds and try again, so a busy neighbour starves the
// others. flock() sleeps in the kernel and is woken by the release. It is taken on a file of its own beside the
// database and never on the database itself: closing any descriptor of that file would drop SQLite's own locks. The
// kernel releases it when its holder dies.

#include <expected>
#include <filesystem>
#include <optional>
#include <utility>

#include "storage/store.hpp"

namespace epic::storage {

class FileLock {
 public:
  /// Releases when it goes out of scope.
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

  /// Creates the file where it is missing. `io` when that is not allowed, `not_found` when there is no such directory.
  static std::expected<FileLock, StoreError> open(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

  /// Waits for its turn.
  [[nodiscard]] std::expected<Hold, StoreError> lock();
  /// Empty when somebody else holds it.
  [[nodiscard]] std::expected<std::optional<Hold>, StoreError> try_lock();

  /// One bit that stays with the file, for all who open it: its size, which needs no room on a full disk. Neither
  /// synced nor certain: a disk that takes no change at all does not take this one.
  void mark();
  void unmark();
  [[nodiscard]] bool is_marked() const;

 private:
  FileLock(std::filesystem::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace epic::storage
