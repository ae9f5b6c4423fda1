#include "protocol/time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace epic::protocol {
namespace {

constexpr int kFractionDigits = 18;
constexpr Int128 kSecondsPerDay = 86'400;
/// Further than 64 bits of any unit can count; its seconds still fit into 128 bits.
constexpr Int128 kYearMax = Int128{5'000'000'000'000'000} * 1'000'000'000'000'000;

Int128 floor_divided(Int128 number, Int128 by) { return number / by - (number % by < 0 ? 1 : 0); }

/// ".5" for half a second.
std::string fraction_text(std::uint64_t attoseconds, std::optional<int> digits) {
  if (attoseconds == 0 && !digits) return {};
  std::string text = fmt::format(".{:018}", attoseconds);
  if (digits)
    text.resize(static_cast<std::size_t>(*digits) + 1);
  else
    text.erase(text.find_last_not_of('0') + 1);
  return text;
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

/// Empty: more digits than 128 bits hold.
std::optional<Int128> number_from(std::string_view digits) {
  Int128 number = 0;
  for (const char digit : digits)
    if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, digit - '0', &number))
      return std::nullopt;
  return number;
}

/// The attoseconds of "5" in "0.5"; empty if it has no digits, or more than an attosecond counts.
std::optional<Int128> fraction_from(std::string_view digits) {
  if (digits.empty() || digits.size() > kFractionDigits) return std::nullopt;
  Int128 attoseconds = *number_from(digits);
  for (std::size_t i = digits.size(); i < kFractionDigits; ++i) attoseconds *= 10;
  return attoseconds;
}

/// In units per second, or seconds per unit.
struct Unit {
  std::string_view name;
  std::int64_t per_second = 1;
  std::int64_t seconds = 1;
};
constexpr std::array kUnits = {
    Unit{"ns", 1'000'000'000}, Unit{"us", 1'000'000}, Unit{"µs", 1'000'000}, Unit{"ms", 1'000},    Unit{"s"},
    Unit{"m", 1, 60},          Unit{"min", 1, 60},    Unit{"h", 1, 3'600},   Unit{"d", 1, 86'400},
};

/// Adds "1.5" of `unit`. False: not a number, or not a whole number of attoseconds.
bool add(std::string_view whole, std::optional<std::string_view> decimals, const Unit& unit, Span& sum) {
  if (whole.empty() && !decimals) return false;
  const auto number = number_from(whole);
  const auto fraction = decimals ? fraction_from(*decimals) : Int128{0};
  if (!number || !fraction || *fraction * unit.seconds % unit.per_second != 0) return false;
  const Int128 attoseconds = *fraction * unit.seconds / unit.per_second +
                             *number % unit.per_second * (Int128{kAttosecondsPerSecond} / unit.per_second) +
                             sum.attoseconds;
  Int128 seconds = 0;
  if (__builtin_mul_overflow(*number / unit.per_second, unit.seconds, &seconds) ||
      __builtin_add_overflow(seconds, attoseconds / kAttosecondsPerSecond, &seconds) ||
      __builtin_add_overflow(sum.seconds, seconds, &sum.seconds))
    return false;
  sum.attoseconds = static_cast<std::uint64_t>(attoseconds % kAttosecondsPerSecond);
  return true;
}

Span negated(Span span) {
  if (span.attoseconds == 0) return {-span.seconds, 0};
  return {-span.seconds - 1, kAttosecondsPerSecond - span.attoseconds};
}

// The calendar, by years of 400 that begin in March: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
constexpr Int128 kDaysPerEra = 146'097;
constexpr Int128 kDaysToEpoch = 719'468;  // from 0000-03-01

struct Date {
  Int128 year = 0;
  int month = 1;
  int day = 1;
};

Date date_of(Int128 days) {
  days += kDaysToEpoch;
  const Int128 era = floor_divided(days, kDaysPerEra);
  const auto of_era = static_cast<int>(days - era * kDaysPerEra);
  const int year = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int of_year = of_era - (365 * year + year / 4 - year / 100);
  const int month = (5 * of_year + 2) / 153;  // from March
  return {.year = era * 400 + year + (month >= 10 ? 1 : 0),
          .month = month < 10 ? month + 3 : month - 9,
          .day = of_year - (153 * month + 2) / 5 + 1};
}

Int128 days_of(const Date& date) {
  const Int128 years = date.year - (date.month <= 2 ? 1 : 0);
  const Int128 era = floor_divided(years, 400);
  const auto year = static_cast<int>(years - era * 400);
  const int of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
  return era * kDaysPerEra + year * 365 + year / 4 - year / 100 + of_year - kDaysToEpoch;
}

std::optional<Int128> take_year(Cursor& cursor) {
  const bool is_negative = cursor.try_take('-');
  const bool has_sign = is_negative || cursor.try_take('+');
  if (!has_sign) return cursor.take_number(4);
  const std::string_view digits = cursor.take_digits();
  const auto year = number_from(digits);
  if (digits.size() < 4 || !year || *year > kYearMax) return std::nullopt;
  return is_negative ? -*year : *year;
}

std::optional<Int128> take_days(Cursor& cursor) {
  Date date;
  const auto year = take_year(cursor);
  if (!year || !cursor.try_take('-')) return std::nullopt;
  const auto month = cursor.take_number(2);
  if (!month || !cursor.try_take('-')) return std::nullopt;
  const auto day = cursor.take_number(2);
  if (!day) return std::nullopt;
  date = {.year = *year, .month = *month, .day = *day};
  if (*month < 1 || *month > 12 || *day < 1) return std::nullopt;
  const Int128 days = days_of(date);
  const Date again = date_of(days);  // of another month if the day is not in this one
  if (again.month != *month) return std::nullopt;
  return days;
}

/// Seconds of the day; the fraction is added to `out`.
std::optional<std::int64_t> take_clock(Cursor& cursor, Span& out) {
  const auto hours = cursor.take_number(2);
  if (!hours || !cursor.try_take(':')) return std::nullopt;
  const auto minutes = cursor.take_number(2);
  if (!minutes || !cursor.try_take(':')) return std::nullopt;
  const auto seconds = cursor.take_number(2);
  if (!seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
  if (cursor.try_take('.')) {
    const auto fraction = fraction_from(cursor.take_digits());
    if (!fraction) return std::nullopt;
    out.attoseconds = static_cast<std::uint64_t>(*fraction);
  }
  return *hours * 3'600 + *minutes * 60 + *seconds;
}

/// Of "Z" or "+02:00".
std::optional<std::int64_t> take_offset(Cursor& cursor) {
  if (cursor.try_take('Z') || cursor.try_take('z')) return 0;
  const bool is_negative = cursor.try_take('-');
  if (!is_negative && !cursor.try_take('+')) return std::nullopt;
  const auto hours = cursor.take_number(2);
  if (!hours || !cursor.try_take(':')) return std::nullopt;
  const auto minutes = cursor.take_number(2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::int64_t seconds = *hours * 3'600 + *minutes * 60;
  return is_negative ? -seconds : seconds;
}

}  // namespace

std::string duration_text(Span span) {
  const bool is_negative = span.seconds < 0;
  if (is_negative) span = negated(span);
  return fmt::format("{}{}{}s", is_negative ? "-" : "", span.seconds, fraction_text(span.attoseconds, std::nullopt));
}

std::optional<Span> parse_duration(std::string_view text) {
  Cursor cursor(text);
  const bool is_negative = cursor.try_take('-');
  if (cursor.at_end()) return std::nullopt;
  Span sum;
  while (!cursor.at_end()) {
    const std::string_view whole = cursor.take_digits();
    const auto decimals = cursor.try_take('.') ? std::optional(cursor.take_digits()) : std::nullopt;
    const std::string_view word = cursor.take_letters();
    const auto unit = std::ranges::find(kUnits, word, &Unit::name);
    if (unit == kUnits.end() || !add(whole, decimals, *unit, sum)) return std::nullopt;
  }
  return is_negative ? negated(sum) : sum;
}

std::string time_text(Span since_epoch, std::optional<int> digits) {
  const Int128 days = floor_divided(since_epoch.seconds, kSecondsPerDay);
  const auto clock = static_cast<int>(since_epoch.seconds - days * kSecondsPerDay);
  const Date date = date_of(days);
  const std::string year = date.year < 0 || date.year > 9'999 ? fmt::format("{:+05}", date.year)
                                                              : fmt::format("{:04}", static_cast<int>(date.year));
  return fmt::format("{}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", year, date.month, date.day, clock / 3'600, clock / 60 % 60,
                     clock % 60, fraction_text(since_epoch.attoseconds, digits));
}

std::optional<Span> parse_time(std::string_view text) {
  Cursor cursor(text);
  const auto days = take_days(cursor);
  if (!days) return std::nullopt;
  Span time{.seconds = *days * kSecondsPerDay, .attoseconds = 0};
  if (cursor.at_end()) return time;
  if (!cursor.try_take('T') && !cursor.try_take('t') && !cursor.try_take(' ')) return std::nullopt;
  const auto clock = take_clock(cursor, time);
  if (!clock) return std::nullopt;
  const auto offset = take_offset(cursor);
  if (!offset || !cursor.at_end()) return std::nullopt;
  time.seconds += *clock - *offset;
  return time;
}

std::string format_time(std::chrono::system_clock::time_point time) {
  using std::chrono::milliseconds;
  const std::int64_t ms = std::chrono::floor<milliseconds>(time).time_since_epoch().count();
  const auto seconds = static_cast<std::int64_t>(floor_divided(ms, 1'000));
  return time_text({.seconds = seconds,
                    .attoseconds = static_cast<std::uint64_t>(ms - seconds * 1'000) * (kAttosecondsPerSecond / 1'000)},
                   /*digits=*/3);
}

}  // namespace epic::protocol
