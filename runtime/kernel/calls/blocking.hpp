#pragma once
// Blocking: functions of entities that run on other threads (epic::blocking), and requests for files, from their start
// until they are back.
//
// The kernel has no threads: it hands each function to the world, which gives it back when it has run, or when it need
// not run any more because nothing waits for it. Only then is the function forgotten, so the number of functions that
// run or wait in the world is bounded, even if the frames that started them are gone.
//
// An open file (../open_file.hpp) has requests that no frame carries: reads ahead, and writes. A write is held until
// the changes before it are durable (Saving). It begins at the end of the tick in which it is released, with all that
// was added to it by then.
//
// A shard does not leave while a file is being changed for one of its entities: the next owner could otherwise change
// the file first, and this change would undo that one.
//
// Not here: what must be durable before one starts (Saving::await_seen, Saving::hold), the order of requests for files
// (file_lines.hpp), threads (io/blocking_threads.hpp).

#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "epic/blocking.hpp"
#include "epic/files.hpp"
#include "kernel/calls/file_lines.hpp"
#include "kernel/calls/parked_frames.hpp"
#include "kernel/syscalls.hpp"

namespace epic::kernel {

/// What all open files of a node take.
struct OpenFiles {
  std::size_t count = 0;           // until they are closed
  std::size_t bytes_buffered = 0;  // read ahead, or not written yet
};

class Blocking {
 public:
  Blocking(std::size_t count_max, ParkedFrames& parked, Syscalls& syscalls)
      : count_max_(count_max), parked_(parked), syscalls_(syscalls) {}

  [[nodiscard]] bool has_room() const { return count_ < count_max_; }
  /// Puts a request for a file into its line. start() or leave() follows.
  void join(std::shared_ptr<detail::FileWork> work) { lines_.join(std::move(work)); }
  /// The frame that waits for a request goes away. If the request has begun, on_ended() follows.
  void leave(const detail::FileWork& work);
  /// Parks `waiter` until the work has run.
  void start(std::shared_ptr<detail::BlockingWork> work, detail::ParkedWait& waiter);
  void on_ended(detail::BlockingWork& work);

  // ---- requests of open files, which know their owner
  /// Puts the request into its line; it begins when its turn has come.
  void submit(const std::shared_ptr<detail::FileWork>& work);
  /// The request is not needed any longer. It ends now, or when the world gives it back.
  void drop(const std::shared_ptr<detail::FileWork>& work);
  /// Puts a write into its line; on_released() or on_refused() follows. `shard` is that of the entity that writes.
  void hold(const std::shared_ptr<detail::FileWork>& work, std::optional<ShardId> shard);
  /// The changes before the write are durable.
  void on_released(std::shared_ptr<detail::FileWork> work) { released_.push_back(std::move(work)); }
  /// The changes before the write will never be durable.
  void on_refused(const std::shared_ptr<detail::FileWork>& work, std::exception_ptr why);
  /// Begins the writes that were released in the tick that now ends.
  void begin_released();
  /// Closes an open file of which no other request is left, and makes room for another. The request joins no line.
  void close(std::shared_ptr<detail::FileWork> work);
  [[nodiscard]] OpenFiles& open_files() { return open_files_; }

  /// The kernel ends: no request begins any more.
  void forget_files();
  /// True if a file is being changed for an entity of the shard, or will be.
  [[nodiscard]] bool is_writing(ShardId shard) const;
  /// The shards for which a change of a file has ended since the last call.
  [[nodiscard]] std::vector<ShardId> take_written() { return std::exchange(written_, {}); }
  /// True if open files have taken something that is not written yet.
  [[nodiscard]] bool has_unwritten() const { return !unwritten_.empty(); }
  /// The number of functions and requests that run or wait for a thread.
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  void begin(std::vector<FileLines::Work> files);
  void end(detail::FileWork& work);
  void finish(detail::FileWork& work);

  std::size_t count_max_;
  std::size_t count_ = 0;
  FileLines lines_;
  std::map<const detail::BlockingWork*, ShardId> writers_;               // what changes a file just now, for a frame
  std::map<const detail::FileWork*, std::optional<ShardId>> unwritten_;  // … or will, for an open file
  std::vector<std::shared_ptr<detail::FileWork>> released_;              // shared with their lines
  std::vector<ShardId> written_;
  OpenFiles open_files_;
  bool has_ended_ = false;
  ParkedFrames& parked_;
  Syscalls& syscalls_;
};

}  // namespace epic::kernel
