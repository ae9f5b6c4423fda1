#pragma once
// OpenFile: the execution thread's side of an open file (epic::File): which operation has the turn, what was read
// ahead, what is still to be written.
//
//   an operation ─▶ FileTurn ─▶ reads:   from what was read ahead, and asks for more
//                               writes:  into the newest request that has not begun, or a new one, which is held
//                                        until what it follows is durable
//                               others:  a request of their own, behind those before it
//
// So operations run in the order in which they were issued, and most of them need no other thread: a hand-over and the
// way back cost more than reading 256 KiB. Requests of one file keep their order in their line (calls/file_lines.hpp),
// together with others of the same entity and path.
//
// Invariant: what write() has taken is written, or an error was noted, which the next operation throws; if there is no
//            next one, it is logged when the file goes.
// Not here:  the functions that entities call (open_file_api.cpp), how requests are carried out (calls/blocking.hpp).

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
  /// The running entity opens it. Throws Overloaded if the node has too many files open.
  OpenFile(std::string path, FileMode mode);
  /// Closes the file, on another thread.
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] FileMode mode() const { return mode_; }
  /// Throws the error of an earlier write, once, and std::logic_error if the file is closed.
  void check();
  /// Throws the error of an earlier write, once.
  void throw_failure();
  /// Makes a request for this file, which is in no line yet.
  [[nodiscard]] std::shared_ptr<FileWork> make(FileAction action);
  /// Makes a request whose error its caller hears, and nobody else. A change makes reads forget what was read ahead.
  /// Throws std::logic_error if the file is closed.
  [[nodiscard]] std::shared_ptr<FileWork> make_own(FileAction action, std::uint64_t offset, std::size_t bytes_max,
                                                   std::string content);
  /// Makes a request and puts it into its line. It is carried out even if the frame that asked for it goes away.
  [[nodiscard]] std::shared_ptr<FileWork> submit(FileAction action);

  // ---- reading on from the end of the last read or write; only the operation that has the turn does so
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t read = 0;  // the number of the read that began here
  };
  /// Begins a read, and returns where.
  [[nodiscard]] Place begin_read();
  /// True if the bytes at the position are in memory. Otherwise they are on their way, and up to `bytes_max` of them
  /// have been asked for.
  [[nodiscard]] bool has_part(std::size_t bytes_max);
  struct Taken {
    bool is_end = false;  // the file has ended here at some time since the read began
    bool has_delimiter = false;
  };
  /// Appends to `into` what is in memory: at most `bytes_max` bytes, and nothing behind the delimiter, if there is one.
  Taken take(std::string& into, std::size_t bytes_max, std::optional<char> delimiter, const Place& begun);
  /// Puts the position back to where the read began, as it has failed or was cancelled.
  void go_back(const Place& begun);

  // ---- writing
  [[nodiscard]] bool has_room(std::size_t bytes) const;
  /// Takes `content`, to be written soon. Without an offset it follows the last read or write, or the end of the file
  /// if that is open for appending.
  void write(std::optional<std::uint64_t> offset, std::string content);

  // ---- its requests
  [[nodiscard]] bool on_begun(FileWork& work) override;
  void on_ended(FileWork& work) override;

 private:
  friend class FileTurn;
  friend class FileWait;

  struct Ahead {
    std::shared_ptr<FileWork> work;  // shared with its line
    std::uint64_t read = 0;          // the number of the read that has asked for it
  };

  void check_open() const;
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
  FileWait* waiting_ = nullptr;         // of the operation that has the turn, if it waits
  std::uint32_t count_since_wait_ = 0;  // operations that have run since one had to wait

  std::uint64_t position_ = 0;
  std::deque<Ahead> ahead_;      // from position_ - taken_bytes_, one after the other
  std::size_t taken_bytes_ = 0;  // of the first of ahead_
  std::uint64_t reads_count_ = 0;
  std::uint64_t reads_in_row_ = 0;  // reads that each began where the one before had ended
  std::size_t ahead_bytes_ = 0;     // what the next request to read ahead will ask for

  std::shared_ptr<FileWork> forming_;  // the newest write, as long as something can be added; shared with its line
  kernel::Saving::Seen forming_seen_;
  std::size_t bytes_unwritten_ = 0;
  std::uint64_t generation_ = 0;  // of writes: those taken before one has failed do not begin any more
  std::exception_ptr failure_;    // of a write; no operation has thrown it yet
};

/// An operation's turn at a file: in line from its construction on, and given up when it is destroyed. It lives in the
/// operation's frame, which also keeps the file alive, and is the first thing that the operation awaits.
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

/// Awaited by the operation that has the turn: it resumes when a request of the file has ended.
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
