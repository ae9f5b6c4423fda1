// epic::File and epic::io: operations on open files, as coroutines. What they need of the file is in open_file.hpp.

#include <fmt/format.h>

#include <optional>
#include <stdexcept>
#include <utility>

#include "epic/io.hpp"
#include "epic/state.hpp"
#include "kernel/file_request.hpp"
#include "kernel/limits.hpp"
#include "kernel/open_file.hpp"

namespace epic {

namespace detail {

struct FileMaker {
  static File make(std::shared_ptr<OpenFile> file) { return File(std::move(file)); }
  static const std::shared_ptr<OpenFile>& file_of(const File& file) { return file.file_; }
};

namespace {

constexpr std::size_t kBytesForLine = 4096;  // asked for first

void check_file(const std::shared_ptr<OpenFile>& file) {
  if (file == nullptr)
    throw std::logic_error("epic: this File is closed, or was never opened: use what epic::open has returned");
}

void check_write(const OpenFile& file, std::optional<std::uint64_t> offset, std::size_t bytes) {
  if (file.mode() == FileMode::read)
    throw std::logic_error(
        fmt::format("epic: the file {} was opened to be read: use FileMode::write, append or update "
                    "to write to it",
                    file.path()));
  if (file.mode() == FileMode::append && offset)
    throw std::logic_error(
        fmt::format("epic: the file {} was opened to be written at its end: use File::write, or "
                    "FileMode::update to write elsewhere",
                    file.path()));
  check_file_bytes(file.path(), bytes);
}

/// It has read nothing, unless it is done.
class FileReading {
 public:
  explicit FileReading(OpenFile& file) : file_(file), begun_(file.begin_read()) {}
  FileReading(const FileReading&) = delete;
  FileReading& operator=(const FileReading&) = delete;
  ~FileReading() {
    if (!is_done_) file_.go_back(begun_);
  }
  [[nodiscard]] const OpenFile::Place& begun() const { return begun_; }
  void finish() { is_done_ = true; }

 private:
  OpenFile& file_;
  OpenFile::Place begun_;
  bool is_done_ = false;
};

}  // namespace

Task<std::string> read_next(std::shared_ptr<OpenFile> file, std::size_t bytes_max) {
  check_file(file);
  check_file_bytes(file->path(), bytes_max);
  FileTurn turn(*file);
  co_await turn;
  file->check();
  FileReading reading(*file);
  std::string content;
  OpenFile::Taken taken;
  while (content.size() < bytes_max && !taken.is_end) {
    while (!file->has_part(bytes_max - content.size())) co_await FileWait(*file);
    taken = file->take(content, bytes_max - content.size(), std::nullopt, reading.begun());
  }
  reading.finish();
  co_return content;
}

Task<std::optional<std::string>> read_line(std::shared_ptr<OpenFile> file) {
  check_file(file);
  FileTurn turn(*file);
  co_await turn;
  file->check();
  FileReading reading(*file);
  std::string line;
  OpenFile::Taken taken;
  while (!taken.is_end && !taken.has_delimiter) {
    while (!file->has_part(kBytesForLine)) co_await FileWait(*file);
    taken = file->take(line, kernel::limits::kFileBytesMax + 1 - line.size(), '\n', reading.begun());
    check_file_bytes(file->path(), line.size());
  }
  reading.finish();
  if (taken.has_delimiter)
    line.pop_back();
  else if (line.empty())
    co_return std::nullopt;
  co_return line;
}

Task<std::string> read_part(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::size_t bytes_max) {
  check_file(file);
  check_file_bytes(file->path(), bytes_max);
  std::optional<FileRequest> request;
  {
    FileTurn turn(*file);
    co_await turn;
    file->check();
    auto work = file->make(FileAction::read_part);
    work->offset = offset;
    work->bytes = bytes_max;
    work->content.reserve(bytes_max);
    request.emplace(std::move(work));
  }
  co_await BlockingAwaiter(request->work());
  co_return request->take().content;
}

Task<void> write_part(std::shared_ptr<OpenFile> file, std::optional<std::uint64_t> offset, std::string content) {
  check_file(file);
  check_write(*file, offset, content.size());
  FileTurn turn(*file);
  co_await turn;
  file->check();
  while (!file->has_room(content.size())) {
    co_await FileWait(*file);
    file->check();
  }
  file->write(offset, std::move(content));
}

Task<void> sync_file(std::shared_ptr<OpenFile> file) {
  check_file(file);
  FileTurn turn(*file);
  co_await turn;
  file->check();
  const std::shared_ptr<FileWork> work = file->submit(FileAction::sync);
  while (!work->has_ended) co_await FileWait(*file);
  file->throw_failure();
}

Task<std::uint64_t> size_of_file(std::shared_ptr<OpenFile> file) {
  check_file(file);
  FileTurn turn(*file);
  co_await turn;
  file->check();
  const std::shared_ptr<FileWork> work = file->submit(FileAction::size);
  while (!work->has_ended) co_await FileWait(*file);
  file->throw_failure();
  co_return work->outcome.take().size;
}

Task<void> close_file(std::shared_ptr<OpenFile> file) {
  check_file(file);
  FileTurn turn(*file);
  co_await turn;
  file->check();
  const std::shared_ptr<FileWork> work = file->submit(FileAction::close);
  while (!work->has_ended) co_await FileWait(*file);
  file->throw_failure();
}

namespace {

/// One request, as it is. `content` is written, or up to `bytes_max` bytes are read.
Task<FileResult> request_part(std::shared_ptr<OpenFile> file, FileAction action, std::uint64_t offset,
                              std::size_t bytes_max, std::string content) {
  std::optional<FileRequest> request;
  {
    FileTurn turn(*file);
    co_await turn;
    request.emplace(file->make_own(action, offset, bytes_max, std::move(content)));
  }
  if (request->work()->is_change()) co_await SavedAwaiter(Durable::seen);
  co_await BlockingAwaiter(request->work());
  co_return request->take();
}

}  // namespace

}  // namespace detail

Task<File> open(std::string path, FileMode mode) {
  detail::check_file_path(path);
  const auto file = std::make_shared<detail::OpenFile>(std::move(path), mode);
  auto work = file->make(detail::FileAction::open);
  work->mode = mode;
  detail::FileRequest request(std::move(work));
  if (mode != FileMode::read) co_await detail::SavedAwaiter(detail::Durable::seen);
  co_await detail::BlockingAwaiter(request.work());
  static_cast<void>(request.take());
  co_return detail::FileMaker::make(file);
}

namespace io {

namespace {

using detail::FileAction;
using detail::OpenFile;

Task<std::string> read_file_at(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::size_t bytes_max) {
  detail::check_file(file);
  detail::check_file_bytes(file->path(), bytes_max);
  co_return (co_await detail::request_part(file, FileAction::read_part, offset, bytes_max, {})).content;
}

Task<void> write_file_at(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::string content) {
  detail::check_file(file);
  detail::check_write(*file, offset, content.size());
  co_await detail::request_part(file, FileAction::write_part, offset, 0, std::move(content));
}

Task<void> append_to_file(std::shared_ptr<OpenFile> file, std::string content) {
  detail::check_file(file);
  detail::check_write(*file, std::nullopt, content.size());
  if (file->mode() != FileMode::append)
    throw std::logic_error(
        fmt::format("epic: the file {} was not opened with FileMode::append: use io::write_at", file->path()));
  co_await detail::request_part(file, FileAction::append_part, 0, 0, std::move(content));
}

Task<void> sync_file_now(std::shared_ptr<OpenFile> file) {
  detail::check_file(file);
  co_await detail::request_part(file, FileAction::sync, 0, 0, {});
}

}  // namespace

[[clang::coro_wrapper]] Task<std::string> read_at(const File& file, std::uint64_t offset, std::size_t bytes_max) {
  return read_file_at(detail::FileMaker::file_of(file), offset, bytes_max);
}
[[clang::coro_wrapper]] Task<void> write_at(const File& file, std::uint64_t offset, std::string content) {
  return write_file_at(detail::FileMaker::file_of(file), offset, std::move(content));
}
[[clang::coro_wrapper]] Task<void> append(const File& file, std::string content) {
  return append_to_file(detail::FileMaker::file_of(file), std::move(content));
}
[[clang::coro_wrapper]] Task<void> sync(const File& file) { return sync_file_now(detail::FileMaker::file_of(file)); }

}  // namespace io

}  // namespace epic
