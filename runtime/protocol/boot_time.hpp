#pragma once
// BootTime: a time on the boot clock of a machine (CLOCK_BOOTTIME), which goes on while the machine sleeps, unlike the
// steady clock. It means something on this machine only, there to all processes.
//
// Not here: reading the clock (io/clock.hpp; in a supervisor, Host::boot_now).

#include <chrono>

namespace epic::protocol {

struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};

using BootTime = BootClock::time_point;

}  // namespace epic::protocol

namespace epic::io {
using protocol::BootTime;
}
