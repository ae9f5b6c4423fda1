// Durations, times and dates in JSON: text if a calendar or clock can say it exactly, otherwise the bare count with its
// unit, and for what is not a date its numbers.

#include <fmt/format.h>

#include <bit>
#include <boost/json/object.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <system_error>
#include <utility>

#include "codec/json_scalars.hpp"
#include "codec/time_units.hpp"
#include "epic/values/dates.hpp"
#include "protocol/time_text.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using reflect::Kind;
using reflect::TimeUnit;

/// "ms", or "[1/60]s" as std::chrono prints it.
std::string suffix_of(const TimeUnit& unit) {
  if (const auto name = reflect::unit_name(unit); !name.empty()) return std::string(name);
  return unit.den == 1 ? fmt::format("[{}]s", unit.num) : fmt::format("[{}/{}]s", unit.num, unit.den);
}

std::optional<TimeUnit> unit_from(std::string_view suffix) {
  if (auto named = reflect::find_unit(suffix)) return named;
  if (!suffix.starts_with('[') || !suffix.ends_with("]s")) return std::nullopt;
  suffix = suffix.substr(1, suffix.size() - 3);
  TimeUnit unit{.num = 0, .den = 1};
  const char* const end = suffix.data() + suffix.size();
  auto [at, error] = std::from_chars(suffix.data(), end, unit.num);
  if (error == std::errc{} && at != end && *at == '/') {
    const auto den = std::from_chars(at + 1, end, unit.den);
    at = den.ptr;
    error = den.ec;
  }
  if (error != std::errc{} || at != end || unit.num <= 0 || unit.den <= 0) return std::nullopt;
  return unit;
}

std::string count_text(const TimeUnit& unit, std::uint64_t count) {
  if (unit.count == Kind::float64) return fmt::format("{}{}", std::bit_cast<double>(count), suffix_of(unit));
  if (unit.count == Kind::uint64) return fmt::format("{}{}", count, suffix_of(unit));
  return fmt::format("{}{}", static_cast<std::int64_t>(count), suffix_of(unit));
}

/// "5[1/60]s", and for a floating target "0.1ms".
template <class Number>
std::optional<std::uint64_t> parse_count(std::string_view text, const TimeUnit& to) {
  Number number{};
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  auto unit = unit_from(text.substr(static_cast<std::size_t>(at - text.data())));
  if (!unit) return std::nullopt;
  unit->count = to.count;
  return convert_count(*unit, std::bit_cast<std::uint64_t>(number), to);
}

std::optional<std::uint64_t> parse_count(std::string_view text, const TimeUnit& to) {
  if (to.count == Kind::float64) return parse_count<double>(text, to);
  if (to.count == Kind::uint64) return parse_count<std::uint64_t>(text, to);
  return parse_count<std::int64_t>(text, to);
}

constexpr std::int64_t kSecondsPerDay = 86'400;

/// An integer that T can hold; empty for everything else.
template <class T>
std::optional<T> number_in(const boost::json::object& object, std::string_view name) {
  const auto* json = object.if_contains(name);
  const auto* number = json == nullptr ? nullptr : json->if_int64();
  if (number == nullptr || !std::in_range<T>(*number)) return std::nullopt;
  return static_cast<T>(*number);
}

boost::json::value date_to_json(std::uint64_t count) {
  if (const auto days = days_of_date(count)) {
    const std::string midnight = protocol::time_text({.seconds = protocol::Int128{*days} * kSecondsPerDay});
    return boost::json::string(midnight.substr(0, midnight.find('T')));
  }
  const std::chrono::year_month_day date = reflect::date_of(count);
  return boost::json::object{{"year", std::int64_t{static_cast<int>(date.year())}},
                             {"month", std::int64_t{static_cast<unsigned>(date.month())}},
                             {"day", std::int64_t{static_cast<unsigned>(date.day())}}};
}

}  // namespace

std::optional<std::uint64_t> date_from_json(const TimeUnit& date, const boost::json::value& json) {
  if (const auto* text = json.if_string()) {
    const auto midnight = protocol::parse_time(*text);
    return midnight ? from_span(*midnight, date) : std::nullopt;
  }
  const auto* const object = json.if_object();
  if (object == nullptr || object->size() != 3) return std::nullopt;
  const auto year = number_in<std::int16_t>(*object, "year");
  const auto month = number_in<std::uint8_t>(*object, "month");
  const auto day = number_in<std::uint8_t>(*object, "day");
  if (!year || !month || !day) return std::nullopt;
  return reflect::date_count({std::chrono::year(*year), std::chrono::month(*month), std::chrono::day(*day)});
}

boost::json::value time_to_json(Kind kind, const TimeUnit& unit, std::uint64_t count) {
  if (unit.is_date) return date_to_json(count);
  if (unit.count == Kind::float64 && !std::isfinite(std::bit_cast<double>(count)))
    return number_to_json(Kind::float64, count);
  const auto span = to_span(unit, count);
  if (!span) return boost::json::string(count_text(unit, count));
  return boost::json::string(kind == Kind::duration ? protocol::duration_text(*span) : protocol::time_text(*span));
}

std::optional<std::uint64_t> time_from_text(Kind kind, const TimeUnit& unit, std::string_view text) {
  if (const auto count = parse_count(text, unit)) return count;
  auto span = kind == Kind::time_point ? protocol::parse_time(text) : protocol::parse_duration(text);
  if (!span) return std::nullopt;
  return from_span(*span, unit);
}

}  // namespace epic::codec
