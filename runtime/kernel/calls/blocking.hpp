#pragma once
// Blocking: functions of entities that run on other threads (epic::blocking), and requests for files, from their start
// until they are back.
//
// The kernel has no threads: it hands each function to the world, which gives it back when it has run, or when it need
// not run any more because nobody waits for it. Only then is it forgotten, so the number of those that run or wait
// in the world is bounded, whatever becomes of the frames that have started them.
//
// An open file (../open_file.hpp) has requests of its own, which no frame carries: what it reads ahead, what it has
// taken to be written. The latter are held until what they follow is durable (Saving), and begin at the end of the tick
// in which they are released, with all that was added to them by then.
//
// What changes a file counts for its entity's shard until then, too: if the next owner had the shard before, its own
// change could come first, and be undone by this one.
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

/// Of a node.
struct OpenFiles {
  std::size_t count = 0;           // until they are closed
  std::size_t bytes_buffered = 0;  // read ahead, or not written yet
};

class Blocking {
 public:
  Blocking(std::size_t count_max, ParkedFrames& parked, Syscalls& syscalls)
      : count_max_(count_max), parked_(parked), syscalls_(syscalls) {}

  [[nodiscard]] bool has_room() const { return count_ < count_max_; }
  /// A request for a file takes its place in its line. It is started later, or its frame goes away without it.
  void join(std::shared_ptr<detail::FileWork> work) { lines_.join(std::move(work)); }
  /// Its frame goes away. If it has begun, on_ended() follows.
  void leave(const detail::FileWork& work);
  /// `waiter` is parked, and goes on when the work has run.
  void start(std::shared_ptr<detail::BlockingWork> work, detail::ParkedWait& waiter);
  void on_ended(detail::BlockingWork& work);

  // ---- requests of open files, each with its owner
  /// Takes its place in its line, and begins when its turn has come.
  void submit(const std::shared_ptr<detail::FileWork>& work);
  /// Nobody needs it any longer. It ends, now or when it is back.
  void drop(const std::shared_ptr<detail::FileWork>& work);
  /// Takes its place; on_released() or on_refused() follows. `shard`: whose entity writes, if one does.
  void hold(const std::shared_ptr<detail::FileWork>& work, std::optional<ShardId> shard);
  /// What it follows is durable.
  void on_released(std::shared_ptr<detail::FileWork> work) { released_.push_back(std::move(work)); }
  /// … never will be.
  void on_refused(const std::shared_ptr<detail::FileWork>& work, std::exception_ptr why);
  /// The tick ends.
  void begin_released();
  /// Out of line: nothing else of its file is left. Frees its place among the open ones.
  void close(std::shared_ptr<detail::FileWork> work);
  [[nodiscard]] OpenFiles& open_files() { return open_files_; }

  /// The kernel ends: nothing begins any more.
  void forget_files();
  /// A file is being changed for one of its entities, or will be.
  [[nodiscard]] bool is_writing(ShardId shard) const;
  /// Shards of which that was true, of late.
  [[nodiscard]] std::vector<ShardId> take_written() { return std::exchange(written_, {}); }
  /// Open files have taken something that they have not written yet.
  [[nodiscard]] bool has_unwritten() const { return !unwritten_.empty(); }
  /// That run or wait for a thread.
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
