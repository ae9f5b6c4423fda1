// epic::read_file and the like: requests for files, checked, gated and handed to another thread.

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string_view>

#include "epic/file.hpp"
#include "kernel/assert.hpp"
#include "kernel/file_request.hpp"
#include "kernel/limits.hpp"

namespace epic {

namespace detail {

bool FileWork::is_change() const {
  switch (action) {
    case FileAction::read:
    case FileAction::read_part:
    case FileAction::size:
      return false;
    case FileAction::open:
      return mode != FileMode::read;
    case FileAction::write:
    case FileAction::append:
    case FileAction::remove:
    case FileAction::write_part:
    case FileAction::append_part:
    case FileAction::sync:
    case FileAction::close:
      return true;
  }
  return true;
}

void FileWork::call(FileAccess* files) {
  EPIC_ASSERT(files != nullptr || handle != nullptr, "the request for {} is run where there are no files", path);
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
    case FileAction::open:
      result.handle = files->open(path, mode);
      break;
    case FileAction::read_part:
      read_part();
      result.content = std::move(content);
      break;
    case FileAction::write_part:
      for (std::uint64_t at = offset; const std::string& part : parts) {
        handle->write_at(at, part);
        at += part.size();
      }
      break;
    case FileAction::append_part:
      for (const std::string& part : parts) handle->append(part);
      break;
    case FileAction::sync:
      handle->sync();
      break;
    case FileAction::size:
      result.size = handle->size();
      break;
    case FileAction::close:
      handle.reset();
      break;
  }
  outcome.value.emplace(std::move(result));
}

/// Into `content`, whose memory comes from the execution thread.
void FileWork::read_part() {
  std::exception_ptr failure;
  content.resize_and_overwrite(bytes, [&](char* into, std::size_t size) -> std::size_t {
    try {
      return handle->read_at(offset, {into, size});
    } catch (...) {  // nothing may be thrown here
      failure = std::current_exception();
      return 0;
    }
  });
  if (failure) std::rethrow_exception(failure);
  if (content.size() < bytes / 2) content.shrink_to_fit();
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

std::shared_ptr<FileWork> make_work(FileAction action, std::string path, std::string content = {}) {
  check_file_path(path);
  check_file_bytes(path, content.size());
  auto work = std::make_shared<FileWork>(action, std::move(path), std::move(content));
  work->entity = kernel::here("a request for a file").running().entity;
  return work;
}

}  // namespace

void check_file_path(std::string_view path) {
  if (is_inside(path)) return;
  throw std::invalid_argument(fmt::format(
      "epic: {:?} is not the path of a file: it must be relative to the project's folder for files, at most {} bytes "
      "long, and without zeros and parts that are empty, \".\", \"..\" or longer than {} bytes",
      path.substr(0, kernel::limits::kFilePathBytesMax), kernel::limits::kFilePathBytesMax,
      kernel::limits::kFileNameBytesMax));
}

void check_file_bytes(std::string_view path, std::size_t bytes) {
  if (bytes <= kernel::limits::kFileBytesMax) return;
  throw std::length_error(
      fmt::format("epic: {} bytes are too many for the file {}: at most {} MiB are read or written "
                  "at once",
                  bytes, path, kernel::limits::kFileBytesMax >> 20));
}

}  // namespace detail

using detail::BlockingAwaiter;
using detail::Durable;
using detail::FileAction;
using detail::FileRequest;
using detail::make_work;
using detail::SavedAwaiter;

Task<std::string> read_file(std::string path) {
  FileRequest request(make_work(FileAction::read, std::move(path)));
  co_await BlockingAwaiter(request.work());
  co_return request.take().content;
}

Task<void> write_file(std::string path, std::string content) {
  FileRequest request(make_work(FileAction::write, std::move(path), std::move(content)));
  co_await SavedAwaiter(Durable::seen);
  co_await BlockingAwaiter(request.work());
  request.take();
}

Task<void> append_file(std::string path, std::string content) {
  FileRequest request(make_work(FileAction::append, std::move(path), std::move(content)));
  co_await SavedAwaiter(Durable::seen);
  co_await BlockingAwaiter(request.work());
  request.take();
}

Task<bool> remove_file(std::string path) {
  FileRequest request(make_work(FileAction::remove, std::move(path)));
  co_await SavedAwaiter(Durable::seen);
  co_await BlockingAwaiter(request.work());
  co_return request.take().was_there;
}

}  // namespace epic
