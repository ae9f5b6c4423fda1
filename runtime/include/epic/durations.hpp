#pragma once
// Durations as the kernel counts them: nanoseconds in 64 bits, up to 292 years.
//
// The standard's implicit conversion multiplies without a check, so a deadline of 300 years would be one in the past.
// Here what is out of range becomes the nearest duration in range, which is as good as forever.

#include <chrono>
#include <concepts>
#include <ratio>
#include <type_traits>
#include <utility>

namespace epic::detail {

template <class Rep, class Period>
  requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
constexpr std::chrono::nanoseconds saturated_ns(std::chrono::duration<Rep, Period> duration) {
  using std::chrono::nanoseconds;
  if constexpr (std::integral<Rep>) {
    constexpr nanoseconds::rep ns_each = std::ratio_divide<Period, std::nano>::num;
    if (std::cmp_greater(duration.count(), nanoseconds::max().count() / ns_each)) return nanoseconds::max();
    if (std::cmp_less(duration.count(), nanoseconds::min().count() / ns_each)) return nanoseconds::min();
  }
  return duration;
}

}  // namespace epic::detail
