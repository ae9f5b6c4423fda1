#include "codec/json_scalars.hpp"

#include <fmt/format.h>

#include <bit>
#include <catch2/catch.hpp>
#include <chrono>
#include <limits>

#include "reflect/utf8.hpp"

using namespace epic::codec;

namespace {

using epic::reflect::Kind;
using epic::reflect::TimeUnit;

std::string text_of(Kind kind, std::int64_t count, const TimeUnit& unit = {}) {
  return time_to_json(kind, unit, static_cast<std::uint64_t>(count)).as_string().c_str();
}
std::optional<std::int64_t> count_of(Kind kind, std::string_view text, const TimeUnit& unit = {}) {
  const auto count = time_from_text(kind, unit, text);
  return count ? std::optional(static_cast<std::int64_t>(*count)) : std::nullopt;
}
constexpr auto duration = Kind::duration;
constexpr auto time_point = Kind::time_point;

}  // namespace

TEST_CASE("json scalars: durations read back to the nanosecond", "[codec]") {
  CHECK(text_of(duration, 0) == "0s");
  CHECK(text_of(duration, 1'500'000'000) == "1.5s");
  CHECK(text_of(duration, -1) == "-0.000000001s");
  for (const std::int64_t ns :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{999'999'999}, std::int64_t{86'400'000'000'001},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()})
    CHECK(count_of(duration, text_of(duration, ns)) == ns);
}

TEST_CASE("json scalars: durations in other units", "[codec]") {
  CHECK(count_of(duration, "5us") == 5'000);
  CHECK(count_of(duration, "5µs") == 5'000);
  CHECK(count_of(duration, "1.25h") == 4'500'000'000'000);
  CHECK(count_of(duration, "1d2h") == 93'600'000'000'000);
  CHECK(count_of(duration, "-1m30s") == -90'000'000'000);
  for (const char* bad : {"", "-", "5", "s", "5 s", "1.s.", "5x", "1e3s", "99999999999999999999s", "300000d", ".s",
                          "5[0]s", "5[1/0]s", "5[1/60s", "0.1ns"})
    CHECK_FALSE(count_of(duration, bad).has_value());
}

TEST_CASE("json scalars: a count that is no decimal fraction of a second has its unit beside it", "[codec]") {
  const TimeUnit frames{.num = 1, .den = 60};
  CHECK(text_of(duration, 7, frames) == "7[1/60]s");
  CHECK(text_of(duration, 120, frames) == "2s");
  CHECK(text_of(time_point, -7, frames) == "-7[1/60]s");
  CHECK(count_of(duration, "7[1/60]s", frames) == 7);
  CHECK(count_of(duration, "1[2/60]s", frames) == 2);
  CHECK(count_of(duration, "1h", frames) == 216'000);
  CHECK_FALSE(count_of(duration, "1ms", frames));
  CHECK(text_of(duration, std::numeric_limits<std::int64_t>::min(), {.num = 86'400, .den = 1}) ==
        "-796899343984252629811200s");
  const TimeUnit real{.num = 1, .den = 1'000, .count = Kind::float64};
  CHECK(text_of(duration, std::bit_cast<std::int64_t>(0.1), real) == "0.1ms");
  CHECK(count_of(duration, "0.1ms", real) == std::bit_cast<std::int64_t>(0.1));
  CHECK(count_of(duration, "1h", real) == std::bit_cast<std::int64_t>(3.6e6));
}

TEST_CASE("json scalars: times are RFC 3339", "[codec]") {
  CHECK(text_of(time_point, 0) == "1970-01-01T00:00:00Z");
  CHECK(text_of(time_point, -1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(count_of(time_point, "2023-11-14T22:13:20.123456789Z") == 1'700'000'000'123'456'789);
  CHECK(count_of(time_point, "2023-11-15T00:13:20+02:00") == 1'700'000'000'000'000'000);
  CHECK(count_of(time_point, "2024-02-29 00:00:00z") == 1'709'164'800'000'000'000);
  for (const std::int64_t ns : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max(),
                                std::numeric_limits<std::int64_t>::min()})
    CHECK(count_of(time_point, text_of(time_point, ns)) == ns);
  for (const char* bad : {"", "2023", "2023-13-01", "2023-02-29", "2023-11-14T25:00:00Z", "2023-11-14T22:13:20",
                          "2023-11-14T22:13:20Zx", "9999-01-01T00:00:00Z", "2023-11-14T22:13:20.Z", "+023-11-14",
                          "2023-00-10", "2023-04-31", "2023-01-32", "2023-01-00"})
    CHECK_FALSE(count_of(time_point, bad).has_value());
}

TEST_CASE("json scalars: every day that 64 bits can count is a date, and the calendar is the usual one", "[codec]") {
  const TimeUnit days{.num = 86'400, .den = 1};
  CHECK(text_of(time_point, 2'932'896, days) == "9999-12-31T00:00:00Z");
  CHECK(text_of(time_point, 2'932'897, days) == "+10000-01-01T00:00:00Z");
  CHECK(text_of(time_point, -719'529, days) == "-0001-12-31T00:00:00Z");
  CHECK(count_of(time_point, "1600-12-31", days) == -134'775);
  CHECK_FALSE(count_of(time_point, "1600-12-31T00:00:01Z", days));
  for (const std::int64_t day : {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()})
    CHECK(count_of(time_point, text_of(time_point, day, days), days) == day);
  for (int day = -12'687'428; day < 11'248'737; day += 1'009) {  // what std::chrono::year can hold
    const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
    const std::string text = text_of(time_point, day, days);
    const auto year = static_cast<int>(date.year());
    REQUIRE(text == fmt::format("{}-{:02}-{:02}T00:00:00Z",
                                year < 0 || year > 9'999 ? fmt::format("{:+05}", year) : fmt::format("{:04}", year),
                                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day())));
    REQUIRE(count_of(time_point, text, days) == day);
  }
}

TEST_CASE("json scalars: base64 there and back, and nothing else", "[codec]") {
  epic::Bytes bytes;
  for (int length = 0; length < 70; ++length) {
    CHECK(parse_base64(format_base64(bytes)) == bytes);
    bytes.push_back(static_cast<std::byte>(length * 37));
  }
  CHECK(format_base64(std::as_bytes(std::span("foobar", 4))) == "Zm9vYg==");  // RFC 4648, section 10
  for (const char* bad : {"A", "AA", "AAA", "A===", "AB==", "AAB=", "A=AA", "####", "AA\n="})
    CHECK_FALSE(parse_base64(bad).has_value());
}

TEST_CASE("json scalars: UTF-8 is told from other bytes", "[codec]") {
  for (const char* good : {"", "plain", "é", "€", "𐍈", "\u07ff\uffff"}) CHECK(epic::reflect::is_utf8(good));
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff", "a\xc3"})
    CHECK_FALSE(epic::reflect::is_utf8(bad));
  CHECK(epic::reflect::to_utf8("a\xff\xe2\x82z") == "a\uFFFD\uFFFD\uFFFDz");
}
