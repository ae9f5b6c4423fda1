#pragma once
// DataFolder: the files that entities read and write, all below one folder.
//
// A path is walked part by part, and no part may be a link. So whatever lies in the folder, nothing outside of it is
// reached. Only regular files are touched: to open a device or a pipe can already have effects, or wait.
//
// A file is replaced by renaming a complete one, which is on disk by then. When a function returns, so are all folders
// that lead to the file, also those that another process made. If the process dies in between, a file ".epic-…" may be
// left.
//
// Any thread. All functions throw std::filesystem::filesystem_error.
// Not here:  .epic, which is private (private_files.hpp); what a path may look like (kernel/file_api.cpp).

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/private_files.hpp"

namespace epic::files {

/// A file of the folder that is open.
class DataFile {
 public:
  DataFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  /// Returns how many bytes there were: fewer than there is room for only at the end.
  [[nodiscard]] std::size_t read_at(std::uint64_t offset, std::span<char> into) const;
  void write_at(std::uint64_t offset, std::string_view content) const;
  /// Of one that was opened for that.
  void append(std::string_view content) const;
  void sync() const;
  [[nodiscard]] std::uint64_t size() const;

 private:
  Descriptor file_;
  std::string path_;
};

class DataFolder {
 public:
  /// `root`: relative to the working directory of this moment; made when something is written. Files of more than
  /// `bytes_max` are not read.
  DataFolder(const std::filesystem::path& root, std::size_t bytes_max);

  [[nodiscard]] std::string read(const std::string& path) const;
  void write(const std::string& path, std::string_view content) const;
  void append(const std::string& path, std::string_view content) const;
  /// False: there is no such file.
  [[nodiscard]] bool remove(const std::string& path) const;
  enum class Open { to_read, to_write_anew, to_append, to_update };
  /// All but `to_read` make the file if there is none.
  [[nodiscard]] DataFile open(const std::string& path, Open how) const;

 private:
  enum class Missing { is_error, is_made };
  /// Where a file is, or would be.
  struct Place {
    std::vector<Descriptor> folders;  // from the root to the one that it is in
    std::string name;
    [[nodiscard]] int folder() const { return folders.back().get(); }
  };
  [[nodiscard]] Place find(const std::string& path, Missing folders, std::string_view doing) const;
  void make_root(const std::string& path, std::string_view doing) const;

  std::filesystem::path root_;
  std::size_t bytes_max_;
  mutable std::atomic<bool> is_root_durable_{false};  // this process has seen to it
};

}  // namespace epic::files
