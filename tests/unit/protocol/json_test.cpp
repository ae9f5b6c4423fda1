#include "protocol/json.hpp"

#include <bit>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "reflect/utf8.hpp"
#include "support/frames.hpp"

using namespace epic::protocol;
namespace json = boost::json;

namespace {

std::string printed(double number) { return print_json(json::value(number)); }

json::value parsed(std::string_view text) {
  auto value = parse_json(text);
  if (!value) throw std::runtime_error(value.error());
  return std::move(*value);
}

/// Any bits that are a number, most of them odd ones: denormals, long fractions, the largest.
double any_double(std::mt19937_64& random) {
  while (true) {
    const double number = random() % 4 == 0 ? std::ldexp(static_cast<double>(random() % 100'000), -int(random() % 60))
                                            : std::bit_cast<double>(random());
    if (std::isfinite(number)) return number;
  }
}

std::string any_text(std::mt19937_64& random, bool is_utf8) {
  static constexpr std::string_view kPieces[] = {
      "a", "\"", "\\", "\n", std::string_view("\0", 1), "\x1f", "\x7f", "é", "€", "𐍈", "/", "\u2028"};
  std::string text;
  for (std::size_t count = random() % 12; count > 0; --count)
    text += is_utf8 ? std::string(kPieces[random() % std::size(kPieces)]) : std::string(1, static_cast<char>(random()));
  return text;
}

json::value any_value(std::mt19937_64& random, int depth) {
  switch (random() % (depth > 0 ? 8 : 6)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random());
    case 3: {  // below 2^63 an integer is printed, and parsed, as an int64
      const std::uint64_t number = random() | 1ULL << 63;
      return number;
    }
    case 4:
      return any_double(random);
    case 5:
      return json::string(any_text(random, true));
    case 6: {
      json::array list;
      for (std::size_t count = random() % 5; count > 0; --count) list.push_back(any_value(random, depth - 1));
      return list;
    }
    default: {
      json::object object;
      for (std::size_t count = random() % 5; count > 0; --count)
        object[any_text(random, true)] = any_value(random, depth - 1);
      return object;
    }
  }
}

}  // namespace

TEST_CASE("json: what is printed reads back as it was, of the same kind, to the last bit", "[protocol]") {
  const std::uint64_t seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const json::value value = any_value(random, 6);
    const std::string text = print_json(value);
    CAPTURE(text);
    REQUIRE(epic::reflect::is_utf8(text));
    REQUIRE(parsed(text) == value);
    REQUIRE(parsed(print_json_indented(value)) == value);
    REQUIRE(parse_json(text, DuplicateKeys::refuse).has_value());
  }
}

TEST_CASE("json: numbers at their limits are exact", "[protocol]") {
  for (const std::int64_t number : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
    CHECK(parsed(print_json(number)) == json::value(number));
  CHECK(parsed("18446744073709551615") == json::value(std::numeric_limits<std::uint64_t>::max()));
  for (const double number :
       {std::numeric_limits<double>::max(), std::numeric_limits<double>::min(),
        std::numeric_limits<double>::denorm_min(), 1e21, 1e22, 9007199254740993.0, 123456789.123456789, 5e-324}) {
    CAPTURE(number);
    CHECK(parsed(printed(number)) == json::value(number));
    CHECK(parsed(printed(-number)) == json::value(-number));
  }
  CHECK(std::signbit(parsed(printed(-0.0)).as_double()));
}

TEST_CASE("json: numbers are printed as people write them", "[protocol]") {
  CHECK(printed(0.1) == "0.1");
  CHECK(printed(1) == "1.0");
  CHECK(printed(-2.5) == "-2.5");
  CHECK(printed(0) == "0.0");
  CHECK(printed(1e18) == "1000000000000000000.0");
  CHECK(printed(0x1p60) == "1152921504606846976.0");
  CHECK(printed(-0x1p63) == "-9223372036854775808.0");
  CHECK(printed(999999999999999868928.0) == "999999999999999868928.0");
  CHECK(printed(0.000001) == "0.000001");
  CHECK(printed(1e-7) == "1e-7");
  CHECK(printed(1.5e300) == "1.5e300");
  CHECK(printed(std::nan("")) == "null");
}

TEST_CASE("json: a number with an exponent is an integer when it is whole and fits", "[protocol]") {
  CHECK(parsed("1e18") == json::value(1'000'000'000'000'000'000));
  CHECK(parsed("-1.5e3") == json::value(-1500));
  CHECK(parsed("1E+2") == json::value(100));
  CHECK(parsed("18446744073709551615e0") == json::value(std::numeric_limits<std::uint64_t>::max()));
  CHECK(parsed("1e20") == json::value(1e20));
  CHECK(parsed("15e-1") == json::value(1.5));
  CHECK(parsed("1.0") == json::value(1.0));
}

TEST_CASE("json: a whole number with a fraction keeps every digit", "[protocol]") {
  CHECK(parsed("9007199254740993.0") == json::value(9007199254740993));
  CHECK(parsed("-9007199254740993.000") == json::value(-9007199254740993));
  CHECK(parsed("9007199254740992.0") == json::value(9007199254740992.0));  // the same as a double
  CHECK(parsed("1234567890123456789.0") == json::value(1234567890123456789));
  CHECK(parsed("9223372036854775807.0") == json::value(std::numeric_limits<std::int64_t>::max()));
  CHECK(parsed("-9223372036854775808.0") == json::value(-0x1p63));
  CHECK(parsed("18446744073709551615.0") == json::value(std::numeric_limits<std::uint64_t>::max()));
  CHECK(parsed("18446744073709551616.0") == json::value(0x1p64));
  CHECK(parsed("18446744073709551617.0") == json::value(0x1p64));  // no integer of 64 bits in any case
  for (int exponent = 50; exponent < 70; ++exponent) CHECK(parsed(printed(std::ldexp(1.0, exponent))).is_double());
  CHECK(parsed("0.000") == json::value(0.0));
  CHECK(std::signbit(parsed("-0.0").as_double()));
}

TEST_CASE("json: a number that is whole only when rounded is refused", "[protocol]") {
  CHECK(
      parse_json("[9007199254740993.5]")
          .error()
          .contains("9007199254740993.5 has more digits than a double can hold, and would become 9007199254740994.0"));
  CHECK_FALSE(parse_json("4503599627370497.25").has_value());
  CHECK_FALSE(parse_json("-0.99999999999999999999").has_value());
  CHECK_FALSE(parse_json("-9223372036854775809.0").has_value());  // as a double the smallest integer
  CHECK(parsed("1234567890123456789012345e-1") == json::value(123456789012345678901234.5));  // no integer either way
  CHECK(parse_json("1." + std::string(5000, '0') + "1").error().size() < 300);
  CHECK(parsed("4503599627370495.5") == json::value(4503599627370495.5));
  CHECK(parsed("0.1000000000000000000000000001") == json::value(0.1));
}

TEST_CASE("json: a number beyond every double is refused, and one that only zero is near to", "[protocol]") {
  CHECK(parse_json("[1e400]").error().contains("1e400 is out of range: it is too large for a double"));
  CHECK_FALSE(parse_json("-1e99999999999").has_value());
  CHECK(parse_json("[1e-400]").error().contains("1e-400 is out of range: it is too close to zero for a double"));
  CHECK_FALSE(parse_json("-1e-99999999999").has_value());
  CHECK(parsed("5e-324") == json::value(5e-324));
  CHECK(parsed("0e-400") == json::value(0.0));
}

TEST_CASE("json: what is printed is UTF-8 whatever bytes it holds", "[protocol]") {
  const std::uint64_t seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = print_json(json::object{{any_text(random, false), any_text(random, false)}});
    REQUIRE(epic::reflect::is_utf8(text));
    REQUIRE(parse_json(text).has_value());
  }
  CHECK(quote_json("a\xff\xc3z") == "\"a\uFFFD\uFFFDz\"");
  CHECK_FALSE(parse_json("\"\xff\"").has_value());
}

TEST_CASE("json: values nest to the limit, and no deeper", "[protocol]") {
  const std::string deep = std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']');
  CHECK(print_json(parsed(deep)) == deep);
  CHECK_FALSE(parse_json("[" + deep + "]").has_value());
  CHECK_FALSE(parse_json(std::string(100'000, '[')).has_value());
}

TEST_CASE("json: a name that an object has twice is refused on demand", "[protocol]") {
  CHECK(parsed(R"({"a":1,"a":2})") == parsed(R"({"a":2})"));
  const auto refused = [](std::string_view text) {
    const auto value = parse_json(text, DuplicateKeys::refuse);
    return value ? std::string() : value.error();
  };
  CHECK(refused(R"({"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]})").empty());
  CHECK(refused(R"({"b":{"a":1,"\u0061":2}})").contains("the object has \"a\" twice"));
}

TEST_CASE("json: text that is not JSON gets line and column", "[protocol]") {
  CHECK_THAT(parse_json("{\n  \"a\": nul }").error(), Catch::Contains("line 2, column"));
  CHECK_THAT(parse_json("1 2").error(), Catch::Contains("line 1, column 3: something follows"));
  CHECK_FALSE(parse_json("").has_value());
}

TEST_CASE("json: the indented form has a line for each member and element", "[protocol]") {
  CHECK(print_json_indented(parsed(R"({"a":[1,{}],"b":[]})")) == "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");

  const std::string deep = std::string(1'000, '[') + std::string(1'000, ']');
  const std::string indented = print_json_indented(parsed(deep));
  CHECK(print_json(parsed(indented)) == deep);
  CHECK(indented.size() < 2 * deep.size() + 4'000);
}
