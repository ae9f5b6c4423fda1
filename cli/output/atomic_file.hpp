#pragma once
// AtomicFile: a file that appears only when complete.
//
// It is written under another name in the same directory, synced, and renamed by keep(). Without keep(), it leaves
// nothing behind, and an older file stays unchanged.

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "cli/output/failure.hpp"

namespace epic::cli {

struct AtomicFileOptions {
  enum class Existing : std::uint8_t { replaced, refused } existing = Existing::replaced;
  mode_t mode = 0666;                                    // less the umask
  std::string help = "name another file with --output";  // if it cannot be written
};

class AtomicFile {
 public:
  static Result<AtomicFile> open(std::filesystem::path path, AtomicFileOptions options = {});
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) noexcept = delete;
  ~AtomicFile();

  /// Errors are reported by keep().
  void write(std::string_view text);
  /// Its name until then, for a library that writes it; empty at first.
  [[nodiscard]] const std::filesystem::path& unfinished() const { return unfinished_; }
  Result<void> keep();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  AtomicFile(std::filesystem::path path, std::filesystem::path unfinished, AtomicFileOptions options, std::FILE* file)
      : path_(std::move(path)), unfinished_(std::move(unfinished)), options_(std::move(options)), file_(file) {}
  [[nodiscard]] Failure cannot_write(int error) const;

  std::filesystem::path path_;
  std::filesystem::path unfinished_;
  AtomicFileOptions options_;
  std::unique_ptr<std::FILE, Close> file_;  // null after keep()
};

/// Of a file that exists: its permissions stay, and so does a link that leads to it.
Result<void> replace_text(const std::filesystem::path& path, std::string_view text);

}  // namespace epic::cli
