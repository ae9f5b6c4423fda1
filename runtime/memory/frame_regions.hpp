#pragma once
// FrameRegions: where the thread's free lists (kernel/frame_pool.hpp) get blocks from, and return them to.
//
// After a burst of a million calls the allocator would keep their memory: a few blocks that are still in use are
// scattered over all of it. Here blocks of one size come from spans of 64 KiB, and spans from regions of 2 MiB, the
// size of a huge page. A region in which nothing is in use any longer is unmapped: one at a time, in a tenth of a
// millisecond, so that no call waits for the memory of all the others.
//
// Any thread may return what another has taken. Blocks move in batches, so the lock is taken for one call in many.
//
// Not here: which blocks a thread keeps for its next calls (kernel/frame_pool.cpp).

#include <cstddef>
#include <cstdint>

namespace epic::memory {

inline constexpr std::size_t kRegionBytes = std::size_t{2} << 20;
inline constexpr std::size_t kSpanBytes = std::size_t{64} << 10;

struct Block {
  Block* next;
};

/// A list of `count` blocks of `block_bytes` each, a multiple of 64 of at most 2048. Throws std::bad_alloc.
[[nodiscard]] Block* take(std::size_t block_bytes, std::size_t count);
/// Every block of the list, of any sizes.
void give_back(Block* list) noexcept;
/// The number of regions that this process has mapped now.
[[nodiscard]] std::size_t region_count();

}  // namespace epic::memory
