#pragma once
// Blocking: functions of entities that run on other threads (epic::blocking), from their start until they are back.
//
// The kernel has no threads: it hands each function to the world, which gives it back when it has run, or when it need
// not run any more because nobody waits for it. Only then is it forgotten, so the number of those that run or wait
// in the world is bounded, whatever becomes of the frames that have started them.
//
// What changes a file counts for its entity's shard until then, too: if the next owner had the shard before, its own
// change could come first, and be undone by this one.
//
// Not here: what must be durable before one starts (Saving::await_seen), the order of requests for files
// (file_lines.hpp), threads (io/blocking_threads.hpp).

#include <algorithm>
#include <cstddef>
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

class Blocking {
 public:
  Blocking(std::size_t count_max, ParkedFrames& parked, Syscalls& syscalls)
      : count_max_(count_max), parked_(parked), syscalls_(syscalls) {}

  [[nodiscard]] bool has_room() const { return count_ < count_max_; }
  /// A request for a file takes its place in its line. It is started later, or its frame goes away without it.
  void join(std::shared_ptr<detail::FileWork> work) { files_.join(std::move(work)); }
  /// Its frame goes away. If it has begun, on_ended() follows.
  void leave(const detail::FileWork& work) {
    const FileLines::State state = files_.state_of(work);
    if (state == FileLines::State::begun) return;
    if (state == FileLines::State::ready) --count_;
    begin(files_.leave(work));
  }
  /// `waiter` is parked, and goes on when the work has run.
  void start(std::shared_ptr<detail::BlockingWork> work, detail::ParkedWait& waiter) {
    ++count_;
    work->waiter = &waiter;
    if (const detail::FileWork* const file = work->as_file())
      begin(files_.on_ready(*file));
    else
      syscalls_.start_blocking(std::move(work));
  }
  /// Returns the shard whose entity has changed a file.
  std::optional<ShardId> on_ended(detail::BlockingWork& work) {
    --count_;
    if (work.waiter != nullptr) parked_.resume(*work.waiter);
    const auto writer = writers_.extract(&work);
    if (const detail::FileWork* const file = work.as_file()) begin(files_.leave(*file));
    return writer.empty() ? std::nullopt : std::optional(writer.mapped());
  }
  /// The kernel ends: nothing begins any more.
  void forget_files() { files_ = {}; }
  /// A file is being changed for one of its entities.
  [[nodiscard]] bool is_writing(ShardId shard) const {
    return std::ranges::any_of(writers_, [shard](const auto& writer) { return writer.second == shard; });
  }
  /// That run or wait for a thread.
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  void begin(const std::vector<FileLines::Work>& files) {
    for (const FileLines::Work& file : files) {
      const Activation* const writer = activation_of(file->waiter->waiter.execution);
      if (file->action != detail::FileAction::read && writer != nullptr) writers_.emplace(file.get(), writer->shard);
      syscalls_.start_blocking(file);
    }
  }

  std::size_t count_max_;
  std::size_t count_ = 0;
  FileLines files_;
  std::map<const detail::BlockingWork*, ShardId> writers_;  // what changes a file just now
  ParkedFrames& parked_;
  Syscalls& syscalls_;
};

}  // namespace epic::kernel
