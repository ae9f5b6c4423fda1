#pragma once
// ForgetfulDisk: a disk under SQLite that loses what was not synced when the power fails.
//
// Files are real, so SQLite's locks and shared memory work as usual; in addition the disk tracks what would be there
// after a power cut. A write is certain only after a sync of its file. At the cut each uncertain write is, at random,
// complete, missing or partial, so later ones may survive earlier ones, as on a disk that reorders. Syncs and writes
// can also be made to fail, in part as well, reads can be made to return what was never written, and a hook runs just
// before a sync.
//
// One thread.

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace epic::sim {

class ForgetfulDisk {
 public:
  ForgetfulDisk();
  ForgetfulDisk(const ForgetfulDisk&) = delete;
  ForgetfulDisk& operator=(const ForgetfulDisk&) = delete;
  ~ForgetfulDisk();

  /// The name to open databases with.
  [[nodiscard]] const std::string& vfs() const { return name_; }

  /// Called before each sync and each change with the file's path; a result other than SQLITE_OK becomes that call's
  /// result.
  std::function<int(const std::string& path)> before_sync;
  std::function<int(const std::string& path)> before_write;
  /// Called after each read with what it is to return, and may alter it.
  std::function<void(const std::string& path, std::span<char> bytes)> after_read;
  /// How many bytes of a write that fails are written after all; absent: none.
  std::function<std::size_t(std::size_t bytes)> draw_torn;

  /// Behaves like the system after a failed write-back: uncertain writes count as written, but never will be.
  void give_up_writing(const std::string& path) { contents_.at(path).uncertain.clear(); }

  /// Writes to `directory` what the disk would hold if the power failed now. The files in use are not affected.
  void cut_power(const std::filesystem::path& directory, std::mt19937_64& coin) const;
  /// From now on the files in use are not part of the disk: those in another directory are.
  void forget_files();

 private:
  struct Change {
    enum class Kind : std::uint8_t { write, truncate } kind;
    std::uint64_t offset;  // for truncate: the new size
    std::string bytes;
    void apply(std::string& content) const;
  };
  struct Contents {
    std::string durable;
    std::vector<Change> uncertain;
  };
  struct File;
  struct Methods;

  [[nodiscard]] int ask_to_write(const std::string* path) const {
    return before_write && path != nullptr ? before_write(*path) : SQLITE_OK;
  }
  static int open(sqlite3_vfs* self, const char* path, sqlite3_file* file, int flags, int* flags_out);
  static int remove(sqlite3_vfs* self, const char* path, int sync_directory);

  std::string name_;
  sqlite3_vfs* system_;
  sqlite3_vfs vfs_;
  std::map<std::string, Contents> contents_;  // by path
  std::vector<std::map<std::string, Contents>> forgotten_;
};

}  // namespace epic::sim
