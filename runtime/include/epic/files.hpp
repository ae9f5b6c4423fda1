#pragma once
// Files: whole files in the project's data folder, read and written on another thread while everything else goes on.
//
//   const std::string level = co_await epic::read_file("levels/3.txt");
//   co_await epic::write_file("reports/today.csv", report);       // replaces it, all or nothing
//
// The data folder is [files] folder in epic.toml (default "data"), and nothing outside it can be reached: paths are
// relative, without "." and "..", and symbolic links, devices and the like are refused. Folders are made as they are
// needed. New ones are private to the user (modes 0700 and 0600). Nodes of one project share the files. A file is read
// and written as a whole, at most 64 MiB. Requests of one entity for one file are carried out in order; those of
// different entities are not.
//
// A change of a file begins once everything that the entity has changed and seen so far is durable, so a file shows
// nothing that a crash could undo. When the function returns, the change is on disk. If the node dies before that, the
// change may have happened or not; write_file() and remove_file() can be repeated. An entity moves only when its
// changes of files have ended, including those that no call waits for any longer.
//
// Errors: std::filesystem::filesystem_error with the path and the reason (code()), std::invalid_argument for a path
// that is not allowed, Overloaded as of epic::blocking, whose threads are used.
//
// Not here: files that are read or written in parts (file.hpp); files elsewhere (epic::blocking).

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "epic/blocking.hpp"
#include "epic/task.hpp"

namespace epic {

namespace detail {

enum class FileAction : std::uint8_t {
  read,
  write,
  append,
  remove,
  open,  // and of an open file:
  read_part,
  write_part,
  append_part,
  sync,
  size,
  close,
};

struct FileResult {
  std::string content;                      // that was read
  bool was_there = true;                    // a file that was removed
  std::uint64_t size = 0;                   // of an open file
  std::shared_ptr<FileHandle> handle = {};  // of a file that was opened
};

/// The open file that a request is about, as the execution thread has it.
class FileOwner {
 public:
  /// It is about to be carried out, and no longer changes. False: it is not to be, as one before it has failed.
  [[nodiscard]] virtual bool on_begun(FileWork& work) = 0;
  /// It was carried out, has failed, or never will be.
  virtual void on_ended(FileWork& work) = 0;

 protected:
  ~FileOwner() = default;
};

/// A request for a file, on its way to another thread and back.
class FileWork final : public BlockingOutcome<FileResult> {
 public:
  FileWork(FileAction the_action, std::string the_path, std::string the_content = {})
      : action(the_action), path(std::move(the_path)), content(std::move(the_content)) {}
  [[nodiscard]] FileWork* as_file() noexcept override { return this; }
  /// Others of the same line wait for it, and it for them.
  [[nodiscard]] bool is_change() const;

  const FileAction action;
  const std::string path;
  std::string content;             // to be written
  FileMode mode{};                 // of open
  std::uint64_t offset = 0;        // of a part
  std::size_t bytes = 0;           // of a part: at most, if it is to be read
  std::vector<std::string> parts;  // of a part to be written, one after the other; fixed when it begins

  // Execution thread.
  std::shared_ptr<FileOwner> owner;    // until it has ended, so that the file stays open; null: none
  std::uint64_t generation = 0;        // the owner's
  bool has_ended = false;              // `outcome` is there
  bool is_own = false;                 // a frame waits for it, which hears of its error; the owner need not
  std::shared_ptr<FileHandle> handle;  // shared with the owner and its other requests, so with other threads

 private:
  void call(FileAccess* files) override;
  void read_part();
};

}  // namespace detail

/// The bytes of a file.
[[nodiscard]] Task<std::string> read_file(std::string path);
/// Replaces a file, or makes it. Readers see the former content or the new one.
[[nodiscard]] Task<void> write_file(std::string path, std::string content);
/// Adds to the end of a file, or makes it. After a failure a part may have been added.
[[nodiscard]] Task<void> append_file(std::string path, std::string content);
/// False: there was no such file.
[[nodiscard]] Task<bool> remove_file(std::string path);

}  // namespace epic
