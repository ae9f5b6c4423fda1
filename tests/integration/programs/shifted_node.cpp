// epic-node with a wall clock that tests set: the system's, and the nanoseconds in a file of the project's directory.
//
// It is linked from epic-node's own sources and this file. The libraries of the process find the clock_gettime() of
// the program before the C library's, so all code of epic runs as it is. Only the wall clock is shifted.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "integration/programs/shifted_clock.hpp"

namespace {

using Offset = std::atomic<std::int64_t>;

/// Nodes run in the project's directory. Without the file the clock is right.
const Offset& map_offset() {
  static const Offset none = 0;
  const int fd = ::open(epic::test::kClockOffsetFile, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return none;
  const void* const page = ::mmap(nullptr, sizeof(Offset), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  return page == MAP_FAILED ? none : *static_cast<const Offset*>(page);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  if (::syscall(SYS_clock_gettime, clock, time) != 0) return -1;
  if (clock != CLOCK_REALTIME) return 0;
  static const Offset& offset = map_offset();
  const std::int64_t now_ns = time->tv_sec * kNsPerSecond + time->tv_nsec + offset.load(std::memory_order_relaxed);
  time->tv_sec = now_ns / kNsPerSecond;
  time->tv_nsec = now_ns % kNsPerSecond;
  return 0;
}
