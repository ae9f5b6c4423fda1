#pragma once
// File: an open file in the project's data folder, read and written in parts while everything else goes on.
//
//   epic::File log = co_await epic::open("logs/today", epic::FileMode::append);
//   co_await log.write("it begins\n");                            // taken, and written soon
//   co_await log.sync();                                          // now it is on disk
//
//   epic::File level = co_await epic::open("levels/3.txt", epic::FileMode::read);
//   while (const auto line = co_await level.read_line()) parse(*line);
//
// Operations on a File run in the order they were issued, even if some are cancelled; only read_at() calls run
// concurrently. Where files may be, and which paths are refused: files.hpp.
//
// write() returns once it has room for the bytes. They are written later, together with other writes, when everything
// that the entity has changed and seen so far is durable: the file shows nothing that a crash could undo. If that
// fails, a later operation throws the error, and writes made in between are dropped; those made afterwards go where
// they would have gone, so a gap that is left reads as zeros. Bytes are certain to be on disk only after sync(). read()
// and read_line() read ahead, so they may miss very recent writes by others; read_at() sees the file as it is.
//
// Destroying a File closes the file, on another thread, after what was written to it; the entity does not move before
// that. A File is not a value, and is gone when its entity leaves memory: keep it in a member that is not listed in
// state(…), and open it in on_activate.
//
// Errors: as in files.hpp; Overloaded also if the node has too many files open; std::logic_error for a File that is
// closed, or open for something else.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "epic/files.hpp"
#include "epic/task.hpp"

namespace epic {

enum class FileMode : std::uint8_t {
  read,    // it must exist
  write,   // made, or emptied; may be read, too
  append,  // made if there is none; writes go to its end, wherever that is by then
  update,  // made if there is none; read and written as it is
};

class File;

namespace detail {

class OpenFile;
struct FileMaker;

Task<std::string> read_next(std::shared_ptr<OpenFile> file, std::size_t bytes_max);
Task<std::string> read_part(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::size_t bytes_max);
Task<std::optional<std::string>> read_line(std::shared_ptr<OpenFile> file);
Task<void> write_part(std::shared_ptr<OpenFile> file, std::optional<std::uint64_t> offset, std::string content);
Task<void> sync_file(std::shared_ptr<OpenFile> file);
Task<std::uint64_t> size_of_file(std::shared_ptr<OpenFile> file);
Task<void> close_file(std::shared_ptr<OpenFile> file);

}  // namespace detail

/// Owns an open file; made by open(). Move-only. Operations go on if the File is moved or goes away meanwhile.
class File {
 public:
  /// Nothing is open.
  File() = default;
  File(File&&) noexcept = default;
  File& operator=(File&&) noexcept = default;
  ~File() = default;

  [[nodiscard]] bool is_open() const { return file_ != nullptr; }

  /// Reads on from the end of the last read() or write(). Returns fewer than `bytes_max` bytes only at the end of the
  /// file, and an empty string once there.
  [[nodiscard, clang::coro_wrapper]] Task<std::string> read(std::size_t bytes_max) {
    return detail::read_next(file_, bytes_max);
  }
  [[nodiscard, clang::coro_wrapper]] Task<std::string> read_at(std::uint64_t offset, std::size_t bytes_max) {
    return detail::read_part(file_, offset, bytes_max);
  }
  /// Returns the next line without its '\n', which the last one need not have; nullopt at the end of the file.
  [[nodiscard, clang::coro_wrapper]] Task<std::optional<std::string>> read_line() { return detail::read_line(file_); }
  /// Writes on from the end of the last read() or write(); with FileMode::append, at the end of the file.
  [[nodiscard, clang::coro_wrapper]] Task<void> write(std::string content) {
    return detail::write_part(file_, std::nullopt, std::move(content));
  }
  /// Throws with FileMode::append. A gap beyond the end is filled with zeros.
  [[nodiscard, clang::coro_wrapper]] Task<void> write_at(std::uint64_t offset, std::string content) {
    return detail::write_part(file_, offset, std::move(content));
  }
  /// When it returns, everything that was written before is on disk.
  [[nodiscard, clang::coro_wrapper]] Task<void> sync() { return detail::sync_file(file_); }
  /// The size in bytes, including everything that was written before.
  [[nodiscard, clang::coro_wrapper]] Task<std::uint64_t> size() { return detail::size_of_file(file_); }
  /// Waits until what was written before has reached the file, as programs see it; on disk it is after sync() only.
  /// The File is closed from now on, also if that fails or is cancelled.
  [[nodiscard, clang::coro_wrapper]] Task<void> close() { return detail::close_file(std::exchange(file_, nullptr)); }

 private:
  friend struct detail::FileMaker;
  explicit File(std::shared_ptr<detail::OpenFile> file) : file_(std::move(file)) {}

  std::shared_ptr<detail::OpenFile> file_;  // shared with the operations that are under way
};

/// Opens a file. If that makes or empties the file, it waits as write_file() does, and the change is on disk on return.
[[nodiscard]] Task<File> open(std::string path, FileMode mode);

}  // namespace epic
