// epic::File: operations on open files, as coroutines. What they need of the file is in open_file.hpp.

#include <fmt/format.h>

#include <optional>
#include <stdexcept>
#include <utility>

#include "epic/state.hpp"
#include "kernel/file_request.hpp"
#include "kernel/limits.hpp"
#include "kernel/open_file.hpp"

namespace epic {

namespace detail {

struct FileMaker {
  static File make(std::shared_ptr<OpenFile> file) { return File(std::move(file)); }
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

}  // namespace epic
