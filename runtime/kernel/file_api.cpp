// epic::read_file and the like: requests for files, checked, gated and handed to another thread.

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "epic/files.hpp"
#include "kernel/assert.hpp"
#include "kernel/kernel_scope.hpp"
#include "kernel/limits.hpp"

namespace epic {

namespace detail {

void FileWork::call(FileAccess* files) {
  EPIC_ASSERT(files != nullptr, "the request for {} is run where there are no files", path);
  FileResult result;
  switch (action) {
    case FileAction::read:
      result.content = files->read(path);
      break;
    case FileAction::write:
      files->write(path, content);
      break;
    case FileAction::append:
      files->append(path, content);
      break;
    case FileAction::remove:
      result.was_there = files->remove(path);
      break;
  }
  outcome.value.emplace(std::move(result));
}

namespace {

/// Whatever the folder contains, such a path does not lead out of it.
bool is_inside(std::string_view path) {
  if (path.empty() || path.size() > kernel::limits::kFilePathBytesMax || path.contains('\0')) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > kernel::limits::kFileNameBytesMax) return false;
    begin = end + 1;
  }
  return true;
}

std::shared_ptr<FileWork> make_work(FileAction action, std::string path, std::string content) {
  if (!is_inside(path))
    throw std::invalid_argument(fmt::format(
        "epic: {:?} is not the path of a file: it must be relative to the project's folder for files, at most {} bytes "
        "long, and without parts that are empty, \".\" or \"..\"",
        path.substr(0, kernel::limits::kFilePathBytesMax), kernel::limits::kFilePathBytesMax));
  if (content.size() > kernel::limits::kFileBytesMax)
    throw std::length_error(
        fmt::format("epic: {} bytes are too many for the file {}: at most {} MiB are written at once", content.size(),
                    path, kernel::limits::kFileBytesMax >> 20));
  return std::make_shared<FileWork>(action, std::move(path), std::move(content));
}

/// A request, in its line from when it is made until its frame goes away.
class FileRequest {
 public:
  FileRequest(FileAction action, std::string path, std::string content)
      : work_(make_work(action, std::move(path), std::move(content))) {
    kernel::Kernel& kernel = kernel::here("a request for a file");
    work_->entity = kernel.running().entity;
    kernel.blocking().join(work_);
  }
  FileRequest(const FileRequest&) = delete;
  FileRequest& operator=(const FileRequest&) = delete;
  ~FileRequest() {
    if (kernel::Kernel* const kernel = kernel::Kernel::current_kernel()) kernel->blocking().leave(*work_);
  }
  [[nodiscard]] const std::shared_ptr<FileWork>& work() const { return work_; }
  FileResult take() { return work_->outcome.take(); }

 private:
  std::shared_ptr<FileWork> work_;  // shared with those who carry it out
};

}  // namespace
}  // namespace detail

using detail::BlockingAwaiter;
using detail::Durable;
using detail::FileAction;
using detail::FileRequest;
using detail::SavedAwaiter;

Task<std::string> read_file(std::string path) {
  FileRequest request(FileAction::read, std::move(path), {});
  co_await BlockingAwaiter(request.work());
  co_return request.take().content;
}

Task<void> write_file(std::string path, std::string content) {
  FileRequest request(FileAction::write, std::move(path), std::move(content));
  co_await SavedAwaiter(Durable::seen);
  co_await BlockingAwaiter(request.work());
  request.take();
}

Task<void> append_file(std::string path, std::string content) {
  FileRequest request(FileAction::append, std::move(path), std::move(content));
  co_await SavedAwaiter(Durable::seen);
  co_await BlockingAwaiter(request.work());
  request.take();
}

Task<bool> remove_file(std::string path) {
  FileRequest request(FileAction::remove, std::move(path), {});
  co_await SavedAwaiter(Durable::seen);
  co_await BlockingAwaiter(request.work());
  co_return request.take().was_there;
}

}  // namespace epic
