#include "cli/output/atomic_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

Failure cannot_write(const fs::path& path, int error) {
  return {.what = fmt::format("cannot write {}", path.string()),
          .why = std::generic_category().message(error),
          .help = {"name another file with --output"}};
}

}  // namespace

Result<AtomicFile> AtomicFile::open(fs::path path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return fail(cannot_write(path, EISDIR));
  fs::path unfinished = path;
  unfinished += fmt::format(".{}.new", ::getpid());
  std::FILE* file = std::fopen(unfinished.c_str(), "wxe");
  if (file == nullptr) return fail(cannot_write(path, errno));
  return AtomicFile(std::move(path), std::move(unfinished), file);
}

AtomicFile::~AtomicFile() {
  if (file_) ::unlink(unfinished_.c_str());
}

void AtomicFile::write(std::string_view text) { std::fwrite(text.data(), 1, text.size(), file_.get()); }

Result<void> AtomicFile::keep() {
  if (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0)
    return fail(cannot_write(path_, errno));
  if (std::rename(unfinished_.c_str(), path_.c_str()) != 0) return fail(cannot_write(path_, errno));
  file_.reset();
  return {};
}

}  // namespace epic::cli
