#pragma once
// The two clocks of a process. Everything inside gets the time from the driver's ticks.

#include <chrono>
#include <cstdint>

namespace epic::io {

[[nodiscard]] inline std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

[[nodiscard]] inline std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Where a part that must not read the system's clocks gets the time from. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::int64_t monotonic_ns() const = 0;
  [[nodiscard]] virtual std::int64_t wall_ns() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t monotonic_ns() const override { return io::monotonic_ns(); }
  [[nodiscard]] std::int64_t wall_ns() const override { return io::wall_ns(); }
};

inline constexpr SystemClock kSystemClock;

}  // namespace epic::io
