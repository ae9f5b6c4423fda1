#pragma once
// Durations, and times of the system's clock: counts of their own unit, which travel unchanged.

#include <bit>
#include <chrono>
#include <type_traits>

#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
inline constexpr bool is_system_time = false;
template <class Duration>
inline constexpr bool is_system_time<std::chrono::time_point<std::chrono::system_clock, Duration>> = true;

/// The kind in which codecs carry a counter: the widest of its family.
template <class Rep>
constexpr Kind count_kind() {
  static_assert(std::is_arithmetic_v<Rep> && sizeof(Rep) <= 8,
                "epic: a duration or time must count with an integer or floating type of at most 64 bits");
  if constexpr (std::is_floating_point_v<Rep>)
    return Kind::float64;
  else
    return std::is_unsigned_v<Rep> && sizeof(Rep) == 8 ? Kind::uint64 : Kind::int64;
}

template <class Rep>
constexpr std::uint64_t count_bits(Rep count) {
  if constexpr (std::is_floating_point_v<Rep>)
    return std::bit_cast<std::uint64_t>(static_cast<double>(count));
  else
    return static_cast<std::uint64_t>(count);
}

template <class Rep>
constexpr Rep count_from_bits(std::uint64_t bits) {
  if constexpr (std::is_floating_point_v<Rep>)
    return static_cast<Rep>(std::bit_cast<double>(bits));
  else
    return static_cast<Rep>(bits);
}

template <class T>
TypeInfo make_time(Kind kind, std::string_view name) {
  using Duration = decltype([] {
    if constexpr (is_duration<T>)
      return T{};
    else
      return typename T::duration{};
  }());
  using Rep = typename Duration::rep;
  TypeInfo info = basic<T>(kind, name);
  info.time = {.unit = {Duration::period::num, Duration::period::den, count_kind<Rep>()},
               .min = count_bits(Duration::min().count()),
               .max = count_bits(Duration::max().count()),
               .get =
                   [](const void* o) {
                     if constexpr (is_duration<T>)
                       return count_bits(as<T>(o).count());
                     else
                       return count_bits(as<T>(o).time_since_epoch().count());
                   },
               .set = [](void* o, std::uint64_t bits) { as<T>(o) = T(Duration(count_from_bits<Rep>(bits))); }};
  return info;
}

template <class T>
  requires is_duration<T>
struct ValueMaker<T> {
  static TypeInfo make() { return make_time<T>(Kind::duration, "duration"); }
};

template <class T>
  requires is_system_time<T>
struct ValueMaker<T> {
  static TypeInfo make() { return make_time<T>(Kind::time_point, "time"); }
};

}  // namespace epic::reflect::detail
