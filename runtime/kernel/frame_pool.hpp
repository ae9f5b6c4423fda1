#pragma once
// The memory of this thread's coroutine frames and call records, by which calls in flight are limited.

#include <cstdint>

namespace epic::kernel {

/// Taken from the allocator; some of it is kept for the next frames. Negative on a thread that frees what others
/// allocated.
inline constinit thread_local std::int64_t t_frame_bytes_taken = 0;

/// Cheap enough for every call; at most a few MiB above frame_bytes().
[[nodiscard]] inline std::uint64_t frame_bytes_at_most() {
  return t_frame_bytes_taken < 0 ? 0 : static_cast<std::uint64_t>(t_frame_bytes_taken);
}
/// In use.
[[nodiscard]] std::uint64_t frame_bytes();

}  // namespace epic::kernel
