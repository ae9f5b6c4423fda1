#pragma once
// ParkedWait: a frame that waits for something other than calls: a time, an event, a commit, another thread, a file.
//
// Whatever entities can await either waits for calls (call.hpp, gather.hpp, call_window.hpp), runs within the same
// execution (task.hpp), or derives from this. So the kernel finds all frames that wait in two places, and what is
// cancelled gets epic::Cancelled wherever it stands. A test allows `EpicAwaitable = void` in those headers only.
//
// Invariant: it lives in the frame that waits, and leaves the kernel's list when that frame is destroyed.
// Not here:  what wakes it (kernel/calls/parked_frames.hpp, and who parks it).

#include <compare>
#include <coroutine>
#include <cstdint>

#include "epic/call.hpp"

namespace epic::detail {

enum class WaitsFor : std::uint8_t { time, event, stopping, commit, thread, file };

class ParkedWait {
 public:
  using EpicAwaitable = void;

  /// In the kernel's list.
  struct Place {
    WaitsFor what = WaitsFor::time;
    std::int64_t until = 0;    // nanoseconds on the kernel's clock, or the number of a commit
    std::uint64_t number = 0;  // 0: it is not parked
    auto operator<=>(const Place&) const = default;
  };

  ParkedWait(const ParkedWait&) = delete;
  ParkedWait& operator=(const ParkedWait&) = delete;

  Waiter waiter;
  Place place;

 protected:
  ParkedWait() = default;
  ~ParkedWait() {
    if (place.number != 0 || waiter.queue_place != 0) forget();
  }
  /// Ends the turn. Returns the coroutine to run next: the frame itself if it is cancelled.
  std::coroutine_handle<> park(std::coroutine_handle<> awaiting, WaitsFor what, std::int64_t until) noexcept;
  /// Throws epic::Cancelled if the execution is cancelled.
  static void check_cancelled();

 private:
  void forget() noexcept;
};

}  // namespace epic::detail
