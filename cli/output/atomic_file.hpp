#pragma once
// AtomicFile: a file that appears only when complete.
//
// It is written in a directory of its own (unfinished.hpp), synced, and moved to its place by keep(). Without keep(),
// it leaves nothing behind, and an older file stays unchanged.

#include <sys/types.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "cli/output/failure.hpp"
#include "cli/output/unfinished.hpp"

namespace epic::cli {

struct AtomicFileOptions {
  Existing existing = Existing::replaced;
  mode_t mode = 0666;                                    // less the umask
  std::string help = "name another file with --output";  // if it cannot be written
};

class AtomicFile {
 public:
  static Result<AtomicFile> open(std::filesystem::path path, AtomicFileOptions options = {});
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) noexcept = delete;

  /// Errors are reported by keep().
  void write(std::string_view text);
  /// Its name until then, for a library that writes it; empty at first.
  [[nodiscard]] std::filesystem::path unfinished() const { return unfinished_.path(); }
  Result<void> keep();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  AtomicFile(std::filesystem::path path, Unfinished unfinished, AtomicFileOptions options, std::FILE* file)
      : path_(std::move(path)), unfinished_(std::move(unfinished)), options_(std::move(options)), file_(file) {}
  [[nodiscard]] Failure cannot_write(int error) const;

  std::filesystem::path path_;
  Unfinished unfinished_;
  AtomicFileOptions options_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Replaces the text of a file that exists: its permissions stay, and so does a link that leads to it.
Result<void> replace_text(const std::filesystem::path& path, std::string_view text);

}  // namespace epic::cli
