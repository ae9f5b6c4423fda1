#pragma once
// AtomicFile: a file that appears only when complete.
//
// It is written under another name in the same directory, synced, and renamed by keep(). Without keep(), it leaves
// nothing behind, and an older file stays unchanged.

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

#include "cli/output/failure.hpp"

namespace epic::cli {

class AtomicFile {
 public:
  static Result<AtomicFile> open(std::filesystem::path path);
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) noexcept = delete;
  ~AtomicFile();

  /// Errors are reported by keep().
  void write(std::string_view text);
  Result<void> keep();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  AtomicFile(std::filesystem::path path, std::filesystem::path unfinished, std::FILE* file)
      : path_(std::move(path)), unfinished_(std::move(unfinished)), file_(file) {}

  std::filesystem::path path_;
  std::filesystem::path unfinished_;
  std::unique_ptr<std::FILE, Close> file_;  // null after keep()
};

}  // namespace epic::cli
