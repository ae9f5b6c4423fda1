#pragma once
// OpenFile: a file that is open (epic::File), on the execution thread: whose turn it is, what was read ahead, what is
// still to be written.
//
//   an operation ─▶ FileTurn ─▶ reads:   from what was read ahead, and asks for more
//                               writes:  into the newest request that has not begun, or a new one, which is held
//                                        until what it follows is durable
//                               others:  a request of their own, behind those before it
//
// So operations happen in the order in which they were made, and most of them need no other thread: a hand-over and the
// way back cost more than to read 256 KiB. Requests of one file keep their order in their line (calls/file_lines.hpp),
// together with others of the same entity and path.
//
// Invariant: what has been taken is written, or an error has been noted: the next operation throws it, or it is logged
// when the file goes.
// Not here:  the functions that entities call (open_file_api.cpp), who carries requests out (calls/blocking.hpp).

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "epic/file.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::detail {

class FileTurn;
class FileWait;

class OpenFile final : public FileOwner, public std::enable_shared_from_this<OpenFile> {
 public:
  /// Of the running entity. Throws Overloaded if the node has too many.
  OpenFile(std::string path, FileMode mode);
  /// Closes it, on another thread.
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] FileMode mode() const { return mode_; }
  /// Throws what has gone wrong with a write, once; std::logic_error if it is closed.
  void check();
  /// … the former alone.
  void throw_failure();
  /// A request, to be joined to its line.
  [[nodiscard]] std::shared_ptr<FileWork> make(FileAction action);
  /// … which begins behind those before it, whatever becomes of the frame that has asked for it.
  [[nodiscard]] std::shared_ptr<FileWork> submit(FileAction action);

  // ---- reading from the place where the last read or write has ended, by the operation that has the turn
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t read = 0;  // its number
  };
  /// A read begins.
  [[nodiscard]] Place begin_read();
  /// The bytes at the position are here. False: they are on their way; asks for up to `bytes_max` if they are not.
  [[nodiscard]] bool has_part(std::size_t bytes_max);
  struct Taken {
    bool is_end = false;  // of the file, as it is since the read began
    bool has_delimiter = false;
  };
  /// What is here, but no more than `bytes_max`, and nothing behind the delimiter, if there is one.
  Taken take(std::string& into, std::size_t bytes_max, std::optional<char> delimiter, const Place& begun);
  /// The read did not happen.
  void go_back(const Place& begun);

  // ---- writing
  [[nodiscard]] bool has_room(std::size_t bytes) const;
  /// Takes it. Without an offset: where the last read or write has ended, or at the end if it is open for that.
  void write(std::optional<std::uint64_t> offset, std::string content);

  // ---- its requests
  [[nodiscard]] bool on_begun(FileWork& work) override;
  void on_ended(FileWork& work) override;

 private:
  friend class FileTurn;
  friend class FileWait;

  struct Ahead {
    std::shared_ptr<FileWork> work;  // shared with its line
    std::uint64_t read = 0;          // the number of the one that has asked for it
  };

  void ask(std::uint64_t offset, std::size_t bytes);
  void ask_ahead(std::size_t bytes_wanted);
  void forget_first();
  void forget_ahead();
  void add(std::string content);
  [[nodiscard]] bool can_add(std::uint64_t offset, std::size_t bytes, const kernel::Saving::Seen& seen) const;

  const std::string path_;
  const FileMode mode_;
  const std::string entity_;
  std::shared_ptr<FileHandle> handle_;  // shared with the requests; null: not open yet, or closed
  bool is_closed_ = false;              // its place among the open ones is freed by the request that closes it

  FileTurn* first_ = nullptr;  // has the turn
  FileTurn* last_ = nullptr;
  FileWait* waiting_ = nullptr;         // the one that has the turn
  std::uint32_t count_since_wait_ = 0;  // of operations

  std::uint64_t position_ = 0;
  std::deque<Ahead> ahead_;      // from position_ - taken_bytes_, one after the other
  std::size_t taken_bytes_ = 0;  // of the first of them
  std::uint64_t reads_count_ = 0;
  std::uint64_t reads_in_row_ = 0;  // that have followed each other
  std::size_t ahead_bytes_ = 0;     // of the next request

  std::shared_ptr<FileWork> forming_;  // the newest write, as long as something can be added; shared with its line
  kernel::Saving::Seen forming_seen_;
  std::size_t bytes_unwritten_ = 0;
  std::uint64_t generation_ = 0;  // of writes: those taken before one has failed do not begin any more
  std::exception_ptr failure_;    // nobody knows of it yet
};

/// Its turn at a file, from when it is made until it goes away. Lives in the frame of the operation, which awaits it
/// first, and keeps the file.
class FileTurn : public ParkedWait {
 public:
  explicit FileTurn(OpenFile& file);
  ~FileTurn();
  [[nodiscard]] bool await_ready() const noexcept;
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() { check_cancelled(); }

 private:
  OpenFile& file_;
  FileTurn* previous_ = nullptr;
  FileTurn* next_ = nullptr;
};

/// The operation that has the turn waits until a request of the file has ended.
class FileWait : public ParkedWait {
 public:
  explicit FileWait(OpenFile& file) : file_(file) {}
  ~FileWait() { file_.waiting_ = nullptr; }
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() { check_cancelled(); }

 private:
  OpenFile& file_;
};

}  // namespace epic::detail
