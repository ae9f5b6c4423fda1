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
// Not here: what must be durable before one starts (Saving::await_seen), threads (io/blocking_threads.hpp).

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "epic/blocking.hpp"
#include "epic/files.hpp"
#include "kernel/calls/parked_frames.hpp"
#include "kernel/syscalls.hpp"

namespace epic::kernel {

class Blocking {
 public:
  Blocking(std::size_t count_max, ParkedFrames& parked, Syscalls& syscalls)
      : count_max_(count_max), parked_(parked), syscalls_(syscalls) {}

  [[nodiscard]] bool has_room() const { return count_ < count_max_; }
  /// `waiter` is parked, and goes on when the work has run.
  void start(std::shared_ptr<detail::BlockingWork> work, detail::ParkedWait& waiter) {
    ++count_;
    work->waiter = &waiter;
    const detail::FileWork* const file = work->as_file();
    if (file != nullptr && file->action != detail::FileAction::read)
      if (const Activation* const writer = activation_of(waiter.waiter.execution))
        writers_.emplace(work.get(), writer->shard);
    syscalls_.start_blocking(std::move(work));
  }
  /// Returns the shard whose entity has changed a file.
  std::optional<ShardId> on_ended(const detail::BlockingWork& work) {
    --count_;
    if (work.waiter != nullptr) parked_.resume(*work.waiter);
    const auto writer = writers_.extract(&work);
    return writer.empty() ? std::nullopt : std::optional(writer.mapped());
  }
  /// A file is being changed for one of its entities.
  [[nodiscard]] bool is_writing(ShardId shard) const {
    return std::ranges::any_of(writers_, [shard](const auto& writer) { return writer.second == shard; });
  }
  /// That run or wait for a thread.
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  std::size_t count_max_;
  std::size_t count_ = 0;
  std::map<const detail::BlockingWork*, ShardId> writers_;
  ParkedFrames& parked_;
  Syscalls& syscalls_;
};

}  // namespace epic::kernel
