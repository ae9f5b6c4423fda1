#pragma once
// ForgetfulDisk: a disk under SQLite that loses what was not synced when the power goes.
//
// Files are real, so that SQLite's locks and shared memory work as ever; beside them the disk keeps what would be there
// after a power cut. A write is certain only after a sync of its file. At the cut each uncertain write, by a coin, is
// there, is missing, or is there in part, so later ones may survive earlier ones, as on a disk that reorders.
// Syncs and writes can also be made to fail, and a test can act in the moment before a sync.

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace epic::storage::test {

class ForgetfulDisk {
 public:
  ForgetfulDisk();
  ForgetfulDisk(const ForgetfulDisk&) = delete;
  ForgetfulDisk& operator=(const ForgetfulDisk&) = delete;
  ~ForgetfulDisk();

  /// The name to open databases with.
  [[nodiscard]] const std::string& vfs() const { return name_; }

  /// Asked before each sync and write, with the file's path; what it returns but SQLITE_OK is that call's result.
  std::function<int(const std::string& path)> before_sync;
  std::function<int(const std::string& path)> before_write;

  /// As the system does when it could not write a file back: what was uncertain counts as written, and never will be.
  void give_up_writing(const std::string& path) { contents_.at(path).uncertain.clear(); }

  /// Puts into `directory` what the disk holds if the power goes now. The files in use go on undisturbed.
  void cut_power(const std::filesystem::path& directory, std::mt19937_64& coin) const;

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

  static int open(sqlite3_vfs* self, const char* path, sqlite3_file* file, int flags, int* flags_out);
  static int remove(sqlite3_vfs* self, const char* path, int sync_directory);

  std::string name_;
  sqlite3_vfs* system_;
  sqlite3_vfs vfs_;
  std::map<std::string, Contents> contents_;  // by path
};

}  // namespace epic::storage::test
