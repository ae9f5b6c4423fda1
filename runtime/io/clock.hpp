#pragma once
// The clocks of a process. Everything inside gets the time from the driver's ticks; only a lease (lease.hpp) is
// compared with the boot clock where it matters.

#include <time.h>

#include <chrono>
#include <cstdint>

#include "protocol/boot_time.hpp"

namespace epic::io {

[[nodiscard]] inline std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

[[nodiscard]] inline std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// CLOCK_BOOTTIME.
[[nodiscard]] inline BootTime boot_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return BootTime(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

/// Where a part that must not read the system's clocks gets the time from. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::int64_t monotonic_ns() const = 0;
  [[nodiscard]] virtual std::int64_t wall_ns() const = 0;
  [[nodiscard]] virtual BootTime boot_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t monotonic_ns() const override { return io::monotonic_ns(); }
  [[nodiscard]] std::int64_t wall_ns() const override { return io::wall_ns(); }
  [[nodiscard]] BootTime boot_now() const override { return io::boot_now(); }
};

inline constexpr SystemClock kSystemClock;

}  // namespace epic::io
