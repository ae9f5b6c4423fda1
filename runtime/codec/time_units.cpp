#include "codec/time_units.hpp"

#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "epic/values/dates.hpp"

namespace epic::codec {
namespace {

using protocol::Int128;
using protocol::kAttosecondsPerSecond;
using reflect::Kind;
using reflect::TimeUnit;

Int128 whole(const TimeUnit& unit, std::uint64_t count) {
  return unit.count == Kind::uint64 ? Int128{count} : Int128{static_cast<std::int64_t>(count)};
}

long double real(const TimeUnit& unit, std::uint64_t count) {
  return unit.count == Kind::float64 ? static_cast<long double>(std::bit_cast<double>(count))
                                     : static_cast<long double>(whole(unit, count));
}

std::uint64_t bits_of(long double count) { return std::bit_cast<std::uint64_t>(static_cast<double>(count)); }

/// Empty: beyond 64 bits.
std::optional<std::uint64_t> bits_of(Int128 count, const TimeUnit& unit) {
  if (unit.count == Kind::float64) return bits_of(static_cast<long double>(count));
  const auto bits = static_cast<std::uint64_t>(count);
  if (whole(unit, bits) != count) return std::nullopt;
  return bits;
}

bool is_within(const reflect::TimeOps& ops, std::uint64_t count) {
  if (ops.unit.count != Kind::float64)
    return whole(ops.unit, count) >= whole(ops.unit, ops.min) && whole(ops.unit, count) <= whole(ops.unit, ops.max);
  const auto number = std::bit_cast<double>(count);
  return !std::isfinite(number) ||
         (number >= std::bit_cast<double>(ops.min) && number <= std::bit_cast<double>(ops.max));
}

constexpr TimeUnit kDays{.num = 86'400, .den = 1};

std::optional<std::uint64_t> date_from_days(std::int64_t days) {
  using std::chrono::sys_days;
  using std::chrono::year;
  if (days < sys_days(year::min() / 1 / 1).time_since_epoch().count() ||
      days > sys_days(year::max() / 12 / 31).time_since_epoch().count())
    return std::nullopt;
  return reflect::date_count(sys_days(std::chrono::days(days)));
}

}  // namespace

std::optional<std::int64_t> days_of_date(std::uint64_t count) {
  const std::chrono::year_month_day date = reflect::date_of(count);
  if (!date.ok() || reflect::date_count(date) != count) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

std::optional<std::uint64_t> convert_count(const TimeUnit& from, std::uint64_t count, const TimeUnit& to) {
  if (from == to) return count;
  if (from.is_date) {
    const auto days = days_of_date(count);
    return days ? convert_count(kDays, static_cast<std::uint64_t>(*days), to) : std::nullopt;
  }
  if (to.is_date) {
    const auto days = convert_count(from, count, kDays);
    return days ? date_from_days(static_cast<std::int64_t>(*days)) : std::nullopt;
  }
  if (from.count == Kind::float64 || to.count == Kind::float64) {
    const long double converted = real(from, count) * static_cast<long double>(from.num) *
                                  static_cast<long double>(to.den) /
                                  (static_cast<long double>(from.den) * static_cast<long double>(to.num));
    if (to.count == Kind::float64) return bits_of(converted);
    if (std::trunc(converted) != converted || std::abs(converted) > 0x1p64L) return std::nullopt;
    return bits_of(static_cast<Int128>(converted), to);
  }
  const std::int64_t nums = std::gcd(from.num, to.num);
  const std::int64_t dens = std::gcd(from.den, to.den);
  Int128 number = Int128{from.num / nums} * (to.den / dens);
  const Int128 by = Int128{from.den / dens} * (to.num / nums);
  if (__builtin_mul_overflow(number, whole(from, count), &number) || number % by != 0) return std::nullopt;
  return bits_of(number / by, to);
}

bool set_time(const reflect::TimeOps& ops, void* object, const TimeUnit& from, std::uint64_t count) {
  if (from.count == Kind::int64 && from != ops.unit && !from.is_date && !ops.unit.is_date) {
    const auto number = static_cast<std::int64_t>(count);
    if (number == std::numeric_limits<std::int64_t>::max()) return ops.set(object, ops.max), true;
    if (number == std::numeric_limits<std::int64_t>::min()) return ops.set(object, ops.min), true;
  }
  const auto converted = convert_count(from, count, ops.unit);
  if (!converted || !is_within(ops, *converted)) return false;
  ops.set(object, *converted);
  return true;
}

std::optional<protocol::Span> to_span(const TimeUnit& unit, std::uint64_t count) {
  if (unit.count == Kind::float64) return std::nullopt;
  Int128 total = 0;
  if (__builtin_mul_overflow(whole(unit, count), unit.num, &total)) return std::nullopt;
  const Int128 seconds = total / unit.den - (total % unit.den < 0 ? 1 : 0);
  const Int128 rest = (total - seconds * unit.den) * kAttosecondsPerSecond;
  if (rest % unit.den != 0) return std::nullopt;
  return protocol::Span{.seconds = seconds, .attoseconds = static_cast<std::uint64_t>(rest / unit.den)};
}

std::optional<std::uint64_t> from_span(const protocol::Span& span, const TimeUnit& unit) {
  if (unit.is_date) {
    const auto days = from_span(span, kDays);
    return days ? date_from_days(static_cast<std::int64_t>(*days)) : std::nullopt;
  }
  if (unit.count == Kind::float64)
    return bits_of((static_cast<long double>(span.seconds) +
                    static_cast<long double>(span.attoseconds) / static_cast<long double>(kAttosecondsPerSecond)) *
                   static_cast<long double>(unit.den) / static_cast<long double>(unit.num));
  const Int128 rest = Int128{span.attoseconds} * unit.den;
  Int128 total = 0;
  if (rest % kAttosecondsPerSecond != 0 || __builtin_mul_overflow(span.seconds, unit.den, &total)) return std::nullopt;
  total += rest / kAttosecondsPerSecond;
  if (total % unit.num != 0) return std::nullopt;
  return bits_of(total / unit.num, unit);
}

}  // namespace epic::codec
