// Durations and times as text: the part of json_scalars.hpp that deals with clocks and calendars.

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include "codec/json_scalars.hpp"

namespace epic::codec {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMagnitudeMax = std::uint64_t{1} << 63;  // magnitude of the smallest 64-bit integer

/// ".5" for half a second; empty for zero.
std::string format_fraction(std::uint64_t nanoseconds) {
  if (nanoseconds == 0) return {};
  std::string digits = fmt::format(".{:09}", nanoseconds);
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

/// Consumes text from the front.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  bool try_take(char letter) {
    if (!rest_.starts_with(letter)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take_letters() {
    return take_while([](char c) { return !is_digit(c) && c != '.'; });
  }
  std::string_view take_digits() { return take_while(is_digit); }
  std::optional<int> take_number(std::size_t digit_count) {
    const std::string_view digits = rest_.substr(0, digit_count);
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (digits.size() != digit_count || error != std::errc{} || end != digits.data() + digits.size() || number < 0)
      return std::nullopt;
    rest_.remove_prefix(digit_count);
    return number;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  template <class Is>
  std::string_view take_while(Is is) {
    std::size_t count = 0;
    while (count < rest_.size() && is(rest_[count])) ++count;
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view rest_;
};

std::optional<std::uint64_t> unit_nanoseconds(std::string_view word) {
  using Unit = std::pair<std::string_view, std::uint64_t>;
  static constexpr std::array kUnits = {
      Unit{"ns", 1},
      Unit{"us", 1'000},
      Unit{"µs", 1'000},
      Unit{"ms", 1'000'000},
      Unit{"s", kSecond},
      Unit{"m", 60 * kSecond},
      Unit{"min", 60 * kSecond},
      Unit{"h", 3600 * kSecond},
      Unit{"d", 86400 * kSecond},
  };
  for (const auto& [name, nanoseconds] : kUnits)
    if (name == word) return nanoseconds;
  return std::nullopt;
}

/// "12.5" units, in whole nanoseconds. Empty if it is not a number, or does not fit.
std::optional<std::uint64_t> scaled(std::string_view whole, std::string_view fraction, std::uint64_t unit) {
  if (whole.empty() && fraction.empty()) return std::nullopt;
  std::uint64_t units = 0;
  if (!whole.empty() && std::from_chars(whole.data(), whole.data() + whole.size(), units).ec != std::errc{})
    return std::nullopt;
  if (units > kMagnitudeMax / unit) return std::nullopt;
  std::uint64_t nanoseconds = units * unit;
  std::uint64_t place = unit;
  for (const char digit : fraction) {
    nanoseconds += static_cast<std::uint64_t>(digit - '0') * place / 10;
    place /= 10;
  }
  return nanoseconds;
}

/// The offset after a time: Z, or +hh:mm.
std::optional<std::int64_t> take_offset_seconds(Cursor& cursor) {
  if (cursor.try_take('Z') || cursor.try_take('z')) return 0;
  const bool is_west = cursor.try_take('-');
  if (!is_west && !cursor.try_take('+')) return std::nullopt;
  const auto hours = cursor.take_number(2);
  if (!hours || !cursor.try_take(':')) return std::nullopt;
  const auto minutes = cursor.take_number(2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::int64_t seconds = *hours * 3600 + *minutes * 60;
  return is_west ? -seconds : seconds;
}

std::optional<std::int64_t> take_day_seconds(Cursor& cursor) {
  const auto year = cursor.take_number(4);
  if (!year || !cursor.try_take('-')) return std::nullopt;
  const auto month = cursor.take_number(2);
  if (!month || !cursor.try_take('-')) return std::nullopt;
  const auto day = cursor.take_number(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_seconds(std::chrono::sys_days(date)).time_since_epoch().count();
}

struct ClockTime {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
};

std::optional<ClockTime> take_clock_time(Cursor& cursor) {
  const auto hours = cursor.take_number(2);
  if (!hours || !cursor.try_take(':')) return std::nullopt;
  const auto minutes = cursor.take_number(2);
  if (!minutes || !cursor.try_take(':')) return std::nullopt;
  const auto seconds = cursor.take_number(2);
  if (!seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
  ClockTime time{.seconds = *hours * 3600 + *minutes * 60 + *seconds, .nanoseconds = 0};
  if (!cursor.try_take('.')) return time;
  const std::string_view digits = cursor.take_digits();
  const auto nanoseconds = scaled({}, digits, kSecond);
  if (!nanoseconds) return std::nullopt;
  time.nanoseconds = static_cast<std::int64_t>(*nanoseconds);
  return time;
}

/// seconds and nanoseconds as one number; empty beyond 64 bits. 0 <= nanoseconds < one second.
std::optional<std::int64_t> joined(std::int64_t seconds, std::int64_t nanoseconds) {
  std::int64_t total = 0;
  if (seconds < 0 && nanoseconds > 0) {  // the smallest number is inside a second whose start does not fit
    ++seconds;
    nanoseconds -= kSecond;
  }
  if (__builtin_mul_overflow(seconds, kSecond, &total) || __builtin_add_overflow(total, nanoseconds, &total))
    return std::nullopt;
  return total;
}

}  // namespace

std::string format_duration(std::int64_t nanoseconds) {
  const bool is_negative = nanoseconds < 0;
  const std::uint64_t magnitude =
      is_negative ? 0 - static_cast<std::uint64_t>(nanoseconds) : static_cast<std::uint64_t>(nanoseconds);
  return fmt::format("{}{}{}s", is_negative ? "-" : "", magnitude / kSecond, format_fraction(magnitude % kSecond));
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  Cursor cursor(text);
  const bool is_negative = cursor.try_take('-');
  if (cursor.at_end()) return std::nullopt;
  std::uint64_t magnitude = 0;
  while (!cursor.at_end()) {
    const std::string_view whole = cursor.take_digits();
    const std::string_view fraction = cursor.try_take('.') ? cursor.take_digits() : std::string_view();
    const auto unit = unit_nanoseconds(cursor.take_letters());
    if (!unit) return std::nullopt;
    const auto part = scaled(whole, fraction, *unit);
    if (!part || *part > kMagnitudeMax - magnitude) return std::nullopt;
    magnitude += *part;
  }
  if (is_negative) return static_cast<std::int64_t>(0 - magnitude);
  if (magnitude == kMagnitudeMax) return std::nullopt;
  return static_cast<std::int64_t>(magnitude);
}

std::string format_time(std::int64_t nanoseconds) {
  using std::chrono::sys_seconds;
  const std::int64_t seconds = nanoseconds / kSecond - (nanoseconds % kSecond < 0 ? 1 : 0);
  const std::int64_t fraction = nanoseconds % kSecond + (nanoseconds % kSecond < 0 ? kSecond : 0);
  const sys_seconds time{std::chrono::seconds(seconds)};
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(time - days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(),
                     format_fraction(static_cast<std::uint64_t>(fraction)));
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  Cursor cursor(text);
  const auto day_seconds = take_day_seconds(cursor);
  if (!day_seconds) return std::nullopt;
  if (cursor.at_end()) return joined(*day_seconds, 0);
  if (!cursor.try_take('T') && !cursor.try_take('t') && !cursor.try_take(' ')) return std::nullopt;
  const auto clock = take_clock_time(cursor);
  if (!clock) return std::nullopt;
  const auto offset = take_offset_seconds(cursor);
  if (!offset || !cursor.at_end()) return std::nullopt;
  return joined(*day_seconds + clock->seconds - *offset, clock->nanoseconds);
}

}  // namespace epic::codec
