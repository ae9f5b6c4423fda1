#include "cli/output/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "files/private_files.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

Failure failed_to_write(const fs::path& path, int error, const std::string& help) {
  return {.what = fmt::format("cannot write {}", path.string()),
          .why = std::generic_category().message(error),
          .help = {help}};
}

Failure already_exists(const fs::path& path) {
  return {.what = fmt::format("{} already exists", path.string()),
          .help = {"replace it with --force", "or name another file"}};
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

}  // namespace

Result<AtomicFile> AtomicFile::open(fs::path path, AtomicFileOptions options) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return fail(failed_to_write(path, EISDIR, options.help));
  if (options.existing == Existing::refused && is_there(path)) return fail(already_exists(path));
  auto unfinished = Unfinished::begin(path);
  if (!unfinished) return fail(failed_to_write(path, unfinished.error(), options.help));
  const int descriptor = ::open(unfinished->path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, options.mode);
  std::FILE* file = descriptor < 0 ? nullptr : ::fdopen(descriptor, "w");
  if (file == nullptr) return fail(failed_to_write(path, errno, options.help));
  return AtomicFile(std::move(path), *std::move(unfinished), std::move(options), file);
}

Failure AtomicFile::cannot_write(int error) const { return failed_to_write(path_, error, options_.help); }

void AtomicFile::write(std::string_view text) { std::fwrite(text.data(), 1, text.size(), file_.get()); }

Result<void> AtomicFile::keep() {
  if (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0)
    return fail(cannot_write(errno));
  const int error = unfinished_.move_to(path_, options_.existing);
  if (error == EEXIST && options_.existing == Existing::refused) return fail(already_exists(path_));
  if (error != 0) return fail(cannot_write(error));
  // Some file systems sync no directories.
  if (const int unsynced = files::sync_directory(fs::absolute(path_).parent_path());
      unsynced == EIO || unsynced == ENOSPC)
    return fail(cannot_write(unsynced));
  return {};
}

Result<void> replace_text(const fs::path& path, std::string_view text) {
  std::error_code ignored;
  const fs::path real = fs::canonical(path, ignored);
  const fs::perms permissions = fs::status(real, ignored).permissions();
  auto file = EPIC_TRY(AtomicFile::open(real, {.help = "check that you may write to its directory"}));
  file.write(text);
  fs::permissions(file.unfinished(), permissions, ignored);
  return file.keep();
}

}  // namespace epic::cli
