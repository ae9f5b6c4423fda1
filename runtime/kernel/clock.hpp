#pragma once
// Clock: the time of the kernel's tick, which stands still during it. The driver sets it.

#include <cstdint>

namespace epic::kernel {

struct Clock {
  std::int64_t now_ns = 0;   // monotonic
  std::int64_t wall_ns = 0;  // since 1970, UTC

  [[nodiscard]] std::int64_t ns_from_now(std::int64_t duration_ns) const {
    return duration_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + duration_ns;
  }
};

}  // namespace epic::kernel
