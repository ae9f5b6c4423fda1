#pragma once
// The heap of a node's process: how much of it is in use, and giving the rest back to the system.
//
// `memory_budget` is about everything that entities and their calls hold, also what no table of theirs shows (members
// that are not listed, containers in frames, messages). So epic-node counts what operator new hands out and delete
// takes back (node/operator_new.cpp). The allocator's own statistics are of no use for that: they walk every free chunk
// under its lock, 40 ms after a burst of a million.
//
// After a burst the allocator keeps most of the memory, because something small that is still in use lies above it.
// malloc_trim() gives it back in one go: 0.25 s for 1 GiB with huge pages, several seconds without, and every thread
// that allocates waits. HeapTrimmer does the same in pieces: it takes free chunks of the heap as any code would, tells
// the system that their pages are not needed, and frees them again. Free space in pieces under 64 KiB stays.
//
// Not here: memory of coroutine frames and call records (memory/frame_regions.hpp).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace epic::io {

/// Bytes in use, from operator new, by all threads. 0 in a program that does not count.
[[nodiscard]] std::uint64_t heap_bytes();
/// For operator new and delete: of the calling thread.
void count_heap_bytes(std::int64_t bytes) noexcept;

/// Execution thread, which must be the process's main thread: others use other parts of the heap.
class HeapTrimmer {
 public:
  /// Once per tick. After a burst it works for a fraction of a millisecond each time, until nothing is left to give.
  void on_tick(std::int64_t now_ns, std::uint64_t bytes_in_use);
  /// When on_tick() has something to do.
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

 private:
  void look(std::uint64_t bytes_in_use);
  void work();
  bool give_one();

  std::uint64_t most_bytes_ = 0;       // in use since the last trim
  std::uint64_t looked_at_bytes_ = 0;  // in use a second ago
  std::int64_t next_look_ns_ = 0;
  std::size_t piece_bytes_ = 0;  // 0: not at work
  std::vector<void*> pieces_;    // given back to the system, and not yet to the allocator
};

}  // namespace epic::io
