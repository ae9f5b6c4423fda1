#include "codec/json_codec.hpp"

#include <boost/describe/class.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <random>

#include "codec/capnp_codec.hpp"
#include "codec/limits.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"
#include "support/frames.hpp"
#include "support/sample_types.hpp"

using namespace epic::reflect;
using namespace std::chrono_literals;
using epic::protocol::parse_json;

namespace {

template <class T>
std::string written(const T& value) {
  return epic::protocol::print_json(epic::codec::to_json(type_of<T>(), &value));
}

/// Throws errors as "path: what".
template <class T>
T read(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) throw std::runtime_error(json.error());
  T value{};
  const auto result = epic::codec::from_json(*json, type_of<T>(), &value);
  if (!result) throw std::runtime_error(result.error().path + ": " + result.error().what);
  return value;
}

struct Unmade {
  Unmade() { throw 42; }
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(Unmade, (), (value))

/// 10^exponent; negative exponents divide, and what is left over makes it no value.
std::optional<__int128> shifted(std::int64_t number, int exponent) {
  __int128 value = number;
  for (; exponent > 0; --exponent) value *= 10;
  for (; exponent < 0; ++exponent) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  return value;
}

template <class Integer>
void check_integer(const std::string& text, std::optional<__int128> expected) {
  std::optional<Integer> got;
  try {
    got = read<Integer>(text);
  } catch (const std::runtime_error&) {
  }
  const bool fits =
      expected && *expected >= std::numeric_limits<Integer>::min() && *expected <= std::numeric_limits<Integer>::max();
  REQUIRE(got.has_value() == fits);
  if (fits) REQUIRE(*got == static_cast<Integer>(*expected));
}

template <class T>
T through_json(const T& value) {
  return read<T>(written(value));
}

}  // namespace

TEST_CASE("json: every kind comes back as it was", "[codec]") {
  CHECK(through_json(sample::everything()) == sample::everything());
  CHECK(through_json(sample::Everything{}) == sample::Everything{});
}

TEST_CASE("json: values read as people expect", "[codec]") {
  CHECK(written(sample::Color::blue) == R"("blue")");
  CHECK(written(static_cast<sample::Color>(77)) == "77");
  CHECK(written(sample::Position{.x = 1, .y = -2}) == R"({"x":1.0,"y":-2.0})");
  CHECK(written(std::map<std::string, int>{{"a", 1}}) == R"({"a":1})");
  CHECK(written(std::map<sample::Color, bool>{{sample::Color::red, true}}) == R"({"red":true})");
  CHECK(written(std::map<int, std::string>{{1, "a"}}) == R"([[1,"a"]])");
  CHECK(written(std::pair<int, std::string>{1, "a"}) == R"([1,"a"])");
  CHECK(written(std::optional<int>{}) == "null");
  CHECK(written(std::optional<int>{3}) == "3");
  CHECK(written(sample::Name("Player/Bob")) == R"("Player/Bob")");
  CHECK(written(sample::Name()) == "null");
  CHECK(written(epic::Bytes{std::byte{'h'}, std::byte{'i'}}) == R"("aGk=")");
  CHECK(written(std::variant<int, std::string>{5}) == R"({"int32":5})");
  CHECK(written(std::variant<int, int>(std::in_place_index<1>, 5)) == R"({"int32#1":5})");
  CHECK(written(1500ms) == R"("1.5s")");
  CHECK(written(std::chrono::system_clock::time_point(1'700'000'000s)) == R"("2023-11-14T22:13:20Z")");
  CHECK(written(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(written(std::unordered_map<std::string, int>{{"b", 2}, {"a", 1}}) == R"({"a":1,"b":2})");
}

TEST_CASE("json: an optional that holds nothing differs from one that is empty", "[codec]") {
  using Twice = std::optional<std::optional<int>>;
  CHECK(written(Twice{}) == "null");
  CHECK(written(Twice{std::optional<int>{}}) == R"({"value":null})");
  CHECK(through_json(Twice{std::optional<int>{}}) == Twice{std::optional<int>{}});
  CHECK(through_json(Twice{4}) == Twice{4});
  CHECK(through_json(std::optional<sample::Name>{sample::Name()}).has_value());
}

TEST_CASE("json: numbers come back exactly", "[codec]") {
  for (const double number : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -2.2250738585072014e-308,
                              9007199254740993.0, 123456789.123456789, 1e23, 8.41e21})
    CHECK(through_json(number) == number);
  CHECK(std::isnan(through_json(std::numeric_limits<double>::quiet_NaN())));
  CHECK(through_json(-std::numeric_limits<float>::infinity()) == -std::numeric_limits<float>::infinity());
  CHECK(std::signbit(through_json(-0.0)));
  CHECK(read<int>("1e3") == 1000);
  CHECK(read<double>("7") == 7);
  CHECK(through_json(std::numeric_limits<float>::max()) == std::numeric_limits<float>::max());
}

TEST_CASE("json: text that is not UTF-8 is kept", "[codec]") {
  const std::string raw("\xff\x00\xfe", 3);
  CHECK(written(raw) == R"({"base64":"/wD+"})");
  CHECK(through_json(raw) == raw);
  const std::map<std::string, int> by_raw{{"a", 1}, {raw, 2}};
  CHECK(written(by_raw) == R"([["a",1],[{"base64":"/wD+"},2]])");
  CHECK(through_json(by_raw) == by_raw);
}

TEST_CASE("json: other spellings are taken", "[codec]") {
  CHECK(read<std::chrono::milliseconds>("\"250ms\"") == 250ms);
  CHECK(read<std::chrono::milliseconds>("2") == 2s);
  CHECK(read<std::chrono::milliseconds>("0.5") == 500ms);
  CHECK(read<std::chrono::seconds>("\"1h30m\"") == 90min);
  CHECK(read<std::chrono::system_clock::time_point>("\"2023-11-14\"") ==
        std::chrono::sys_days(std::chrono::year(2023) / 11 / 14));
  CHECK(read<std::map<int, std::string>>(R"({"1":"a"})") == std::map<int, std::string>{{1, "a"}});
  CHECK(read<std::map<std::string, int>>(R"([["a",1]])") == std::map<std::string, int>{{"a", 1}});
  CHECK(read<sample::Color>("5") == sample::Color::green);
  CHECK(read<std::variant<int, sample::Position>>(R"({"Position":{"x":1}})").index() == 1);
  CHECK(read<std::variant<int, std::string>>(R"({"1":"x"})").index() == 1);
}

TEST_CASE("json: an integer in any spelling is read to the last digit, or refused", "[codec]") {
  CHECK(read<std::int64_t>("9007199254740993.0") == 9007199254740993);
  CHECK(read<std::int64_t>("-9223372036854775808.0") == std::numeric_limits<std::int64_t>::min());
  CHECK(read<std::uint64_t>("18446744073709551615.00") == std::numeric_limits<std::uint64_t>::max());
  CHECK(read<std::int64_t>("1152921504606846976.0") == 1152921504606846976);  // 2^60, also a double
  CHECK(read<double>("1234567890123456789.0") == 1234567890123456789.0);
  CHECK_THROWS_WITH(read<std::int64_t>("9007199254740993.5"), Catch::Contains("more digits than a double can hold"));
  CHECK_THROWS_WITH(read<std::uint64_t>("18446744073709551616.0"), Catch::Contains("which is not a whole number from"));
  CHECK_THROWS_WITH(read<double>("1e309"), Catch::Contains("1e309 is out of range: it is too large for a double"));

  const std::uint64_t seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    auto number = static_cast<std::int64_t>(random() >> (random() % 64));
    for (std::uint64_t zeros = random() % 5; zeros > 0 && std::abs(number) < 1'000'000'000'000'000; --zeros)
      number *= 10;
    const int places = static_cast<int>(random() % 8);
    const int exponent = static_cast<int>(random() % 9) - 4;
    std::string digits = std::to_string(std::abs(number));
    if (number == std::numeric_limits<std::int64_t>::min() || number == 0) continue;
    if (places > 0) {
      digits.insert(0, std::max<int>(0, places + 1 - static_cast<int>(digits.size())), '0');
      digits.insert(digits.size() - static_cast<std::size_t>(places), ".");
    }
    const std::string text = (number < 0 ? "-" : "") + digits + (exponent == 0 ? "" : "e" + std::to_string(exponent));
    CAPTURE(text);
    const auto expected = shifted(number, exponent - places);
    check_integer<std::int64_t>(text, expected);
    check_integer<std::uint64_t>(text, expected);
    check_integer<std::int16_t>(text, expected);
    const double nearest = std::strtod(text.c_str(), nullptr);
    if (expected || std::trunc(nearest) != nearest) REQUIRE(read<double>(text) == nearest);
  }
}

TEST_CASE("json: a mistake is told in the user's terms, with the path", "[codec]") {
  CHECK_THROWS_WITH(read<int>("\"x\""), ": expected int32, got the string \"x\"");
  CHECK_THROWS_WITH(
      read<int>("3000000000"),
      ": expected int32, got the number 3000000000, which is not a whole number from -2147483648 to 2147483647");
  CHECK_THROWS_WITH(read<std::uint8_t>("1.5"),
                    Catch::Contains("got the number 1.5, which is not a whole number from 0 to 255"));
  CHECK_THROWS_WITH(read<float>("1e39"), Catch::Contains("out of range"));
  CHECK_THROWS_WITH(read<float>("-1e-46"), Catch::Contains("out of range"));
  CHECK(read<float>("1e-45") == std::numeric_limits<float>::denorm_min());
  CHECK(read<float>("0e-46") == 0);
  CHECK_THROWS_WITH(read<std::string>("5"), ": expected text, got the number 5");
  CHECK_THROWS_WITH(read<bool>("null"), ": expected true or false, got null");
  CHECK_THROWS_WITH(read<sample::Color>("\"gren\""), ": sample::Color has no 'gren'; did you mean 'green'?");
  CHECK_THROWS_WITH(read<sample::Color>("\"purple\""), ": sample::Color has no 'purple'; there is red, green, blue");
  CHECK_THROWS_WITH(read<sample::Right>("256"), ": 256 is not a value of sample::Right");
  CHECK_THROWS_WITH(read<sample::Position>(R"({"x":1,"z":2})"), Catch::Contains("sample::Position has no field 'z'"));
  CHECK_THROWS_WITH(read<sample::Everything>(R"({"place":1})"),
                    ": sample::Everything has no field 'place'; did you mean 'places'?");
  CHECK_THROWS_WITH(read<sample::Everything>(R"({"places":{"home":{"x":"far"}}})"),
                    "places.home.x: expected float64, got the string \"far\"");
  CHECK_THROWS_WITH(read<sample::Everything>(R"({"matrix":[[1],[2,true]]})"), "matrix[1][1]: expected int16, got true");
  CHECK_THROWS_WITH((read<std::array<int, 3>>("[1,2]")), ": expected 3 elements for array<int32, 3>, got 2");
  CHECK_THROWS_WITH((read<std::pair<int, int>>("[1]")), ": expected 2 elements for tuple<int32, int32>, got 1");
  CHECK_THROWS_WITH((read<std::variant<int, std::string>>("5")),
                    R"(: expected one of {"int32": …}, {"text": …}, got the number 5)");
  CHECK_THROWS_WITH((read<std::variant<int, std::string>>(R"({"int":5})")), Catch::Contains("holds no 'int'"));
  CHECK_THROWS_WITH(read<sample::Name>("\"Bob\""), Catch::Contains("Type/Key"));
  CHECK_THROWS_WITH(read<epic::Bytes>("\"a\""), ": expected bytes in base64, got the string \"a\"");
  CHECK_THROWS_WITH(read<std::chrono::seconds>("\"5 parsecs\""), Catch::Contains("expected a duration such as"));
  CHECK_THROWS_WITH(read<std::chrono::system_clock::time_point>("\"yesterday\""),
                    Catch::Contains("expected a time such as"));
  CHECK_THROWS_WITH((read<std::map<int, int>>("[[1]]")), "[0]: expected a pair [key, value], got a list of 1");
}

TEST_CASE("json: a user's class may throw anything while it is read", "[codec]") {
  CHECK_THROWS_WITH(read<std::vector<Unmade>>(R"([{"value":1}])"), Catch::EndsWith("int, without a message"));
}

TEST_CASE("json: arguments are counted from one", "[codec]") {
  using Arguments = std::tuple<int, sample::Position>;
  const auto error = [](std::string_view text) {
    Arguments arguments;
    const auto result =
        epic::codec::arguments_from_json(parse_json(text)->as_array(), type_of<Arguments>(), &arguments);
    return result ? std::string("none") : result.error();
  };
  CHECK(error(R"([1,{"x":2}])") == "none");
  CHECK(error(R"(["x",{}])") == "argument 1: expected int32, got the string \"x\"");
  CHECK(error(R"([1,{"x":null}])") == "argument 2, x: expected float64, got null");
  CHECK(error("[1]") == "takes 2 arguments (int32, sample::Position), got 1");
  std::tuple<> none;
  CHECK(epic::codec::arguments_from_json(parse_json("[1]")->as_array(), type_of<std::tuple<>>(), &none).error() ==
        "takes no arguments, got 1");
}

TEST_CASE("json: what is nested too deep is refused", "[codec]") {
  sample::Node root;
  sample::Node* deepest = &root;
  for (int i = 0; i < epic::codec::kValueDepthMax / 2 - 1; ++i) deepest = &deepest->children.emplace_back();
  CHECK(through_json(root) == root);
  deepest->children.emplace_back();
  CHECK_THROWS_WITH(written(root), Catch::Contains("nested more than 512 deep"));
}

TEST_CASE("json codec: reads what it wrote, and passes over fields that are gone", "[codec]") {
  const epic::codec::JsonCodec codec;
  const Schema schema = schema_of(type_of<sample::Everything>());
  const auto value = sample::everything();
  std::vector<std::byte> bytes;
  codec.encode(type_of<sample::Everything>(), &value, bytes);
  sample::Everything again;
  REQUIRE(codec.decode(bytes, schema, type_of<sample::Everything>(), &again));
  CHECK(again == value);

  const std::string_view text = R"({"x":2,"gone":[1,2]})";
  sample::Position position;
  REQUIRE(codec.decode(std::as_bytes(std::span(text)), schema, type_of<sample::Position>(), &position));
  CHECK(position.x == 2);
  const auto failed = codec.decode(bytes, schema, type_of<std::int32_t>(), &position);
  CHECK(failed.error().what == "expected int32, got an object");
}
