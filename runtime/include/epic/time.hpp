#pragma once
// Time inside an entity: sleeping, and the wall clock. Under simulation both are virtual.

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <type_traits>

#include "epic/durations.hpp"
#include "epic/parked_wait.hpp"

namespace epic {

namespace detail {
class SleepAwaiter : public ParkedWait {
 public:
  explicit SleepAwaiter(std::int64_t duration_ns) : duration_ns_(duration_ns) {}
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() { check_cancelled(); }

 private:
  std::int64_t duration_ns_;
};
}  // namespace detail

/// Ends the turn and resumes after `duration`; other calls of the entity may run meanwhile. Keeps the entity active.
/// A duration of more than 292 years never ends.
template <class Rep, class Period>
  requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
[[nodiscard]] detail::SleepAwaiter sleep(std::chrono::duration<Rep, Period> duration) {
  return detail::SleepAwaiter(detail::saturated_ns(duration).count());
}

/// The node's wall clock, as of the start of the turn.
std::chrono::system_clock::time_point now();

/// 64 bits of the node's generator: for dice, samples and delays, not for secrets. Another sequence each time a node
/// starts; in tests and simulations always the same.
std::uint64_t random();

}  // namespace epic
