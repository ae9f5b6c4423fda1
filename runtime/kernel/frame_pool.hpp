#pragma once
// What this thread's coroutine frames and call records take, so that calls in flight can be bounded by their memory.

#include <cstdint>

namespace epic::kernel {

/// Taken from the allocator, some of it kept for the next frames. Below 0 on a thread that frees what others have made.
inline constinit thread_local std::int64_t t_frame_bytes_taken = 0;

/// Cheap enough to be asked on each call; a few MiB above frame_bytes() at most.
[[nodiscard]] inline std::uint64_t frame_bytes_at_most() {
  return t_frame_bytes_taken < 0 ? 0 : static_cast<std::uint64_t>(t_frame_bytes_taken);
}
/// In use.
[[nodiscard]] std::uint64_t frame_bytes();

}  // namespace epic::kernel
