#pragma once
// std::chrono::year_month_day: a day of the calendar, without a time of day or a time zone.
//
// Codecs carry it as one number in which year, month and day have their own bits. So what is not a date (the 30th of
// February, or the default, which has no month) keeps its value like everything else that the C++ type can hold.

#include <chrono>
#include <cstdint>

#include "epic/values/table.hpp"

namespace epic::reflect {

/// Later dates have greater counts.
constexpr std::uint64_t date_count(const std::chrono::year_month_day& date) {
  return static_cast<std::uint64_t>(std::int64_t{static_cast<int>(date.year())} * 65'536 +
                                    static_cast<unsigned>(date.month()) * 256 + static_cast<unsigned>(date.day()));
}
constexpr std::chrono::year_month_day date_of(std::uint64_t count) {
  return {std::chrono::year(static_cast<int>(static_cast<std::int64_t>(count) >> 16)),
          std::chrono::month(static_cast<unsigned>(count >> 8) & 0xff),
          std::chrono::day(static_cast<unsigned>(count) & 0xff)};
}

}  // namespace epic::reflect

namespace epic::reflect::detail {

template <>
struct ValueMaker<std::chrono::year_month_day> {
  static TypeInfo make() {
    using std::chrono::year_month_day;
    TypeInfo info = basic<year_month_day>(Kind::time_point, "time");
    info.time = {.unit = {.num = 86'400, .den = 1, .count = Kind::int64, .is_date = true},
                 .min = static_cast<std::uint64_t>(std::int64_t{INT16_MIN} * 65'536),
                 .max = static_cast<std::uint64_t>(std::int64_t{INT16_MAX} * 65'536 + 65'535),
                 .get = [](const void* o) { return date_count(as<year_month_day>(o)); },
                 .set = [](void* o, std::uint64_t count) { as<year_month_day>(o) = date_of(count); }};
    return info;
  }
};

}  // namespace epic::reflect::detail
