#include "codec/json_scalars.hpp"
#include "reflect/utf8.hpp"

#include <catch2/catch.hpp>
#include <limits>

using namespace epic::codec;

TEST_CASE("json scalars: durations read back to the nanosecond", "[codec]") {
  CHECK(format_duration(0) == "0s");
  CHECK(format_duration(1'500'000'000) == "1.5s");
  CHECK(format_duration(-1) == "-0.000000001s");
  for (const std::int64_t ns :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{999'999'999}, std::int64_t{86'400'000'000'001},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()})
    CHECK(parse_duration(format_duration(ns)) == ns);
}

TEST_CASE("json scalars: durations in other units", "[codec]") {
  CHECK(parse_duration("5us") == 5'000);
  CHECK(parse_duration("5µs") == 5'000);
  CHECK(parse_duration("1.25h") == 4'500'000'000'000);
  CHECK(parse_duration("1d2h") == 93'600'000'000'000);
  CHECK(parse_duration("-1m30s") == -90'000'000'000);
  for (const char* bad : {"", "-", "5", "s", "5 s", "1.s.", "5x", "1e3s", "99999999999999999999s", "300000d", ".s"})
    CHECK_FALSE(parse_duration(bad).has_value());
}

TEST_CASE("json scalars: times are RFC 3339", "[codec]") {
  CHECK(format_time(0) == "1970-01-01T00:00:00Z");
  CHECK(format_time(-1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(parse_time("2023-11-14T22:13:20.123456789Z") == 1'700'000'000'123'456'789);
  CHECK(parse_time("2023-11-15T00:13:20+02:00") == 1'700'000'000'000'000'000);
  CHECK(parse_time("2024-02-29 00:00:00z") == 1'709'164'800'000'000'000);
  for (const std::int64_t ns : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max(),
                                std::numeric_limits<std::int64_t>::min()})
    CHECK(parse_time(format_time(ns)) == ns);
  for (const char* bad : {"", "2023", "2023-13-01", "2023-02-29", "2023-11-14T25:00:00Z", "2023-11-14T22:13:20",
                          "2023-11-14T22:13:20Zx", "9999-01-01T00:00:00Z", "2023-11-14T22:13:20.Z", "+023-11-14"})
    CHECK_FALSE(parse_time(bad).has_value());
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
