#include "codec/json_scalars.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <bit>
#include <charconv>
#include <climits>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "codec/scalars.hpp"
#include "codec/time_units.hpp"
#include "protocol/json.hpp"
#include "protocol/time_text.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using boost::json::value;
using reflect::Kind;

constexpr std::size_t kShownBytesMax = 60;

std::string expected_got(std::string_view wanted, const value& json) {
  return fmt::format("expected {}, got {}", wanted, describe(json));
}

/// An integer, from an integer or a whole float. Empty: not a whole number, or out of range.
template <class Integer>
std::optional<Integer> integer_from(const value& json) {
  if (const auto* number = json.if_int64()) {
    if (std::in_range<Integer>(*number)) return static_cast<Integer>(*number);
  } else if (const auto* large = json.if_uint64()) {
    if (std::in_range<Integer>(*large)) return static_cast<Integer>(*large);
  } else if (const auto* real = json.if_double()) {
    // The parser makes a double of a whole number only if that changes nothing.
    if (std::trunc(*real) != *real || *real < -0x1p63 || *real >= 0x1p64) return std::nullopt;
    if (*real >= 0x1p63) return integer_from<Integer>(value(static_cast<std::uint64_t>(*real)));
    return integer_from<Integer>(value(static_cast<std::int64_t>(*real)));
  }
  return std::nullopt;
}

template <class Integer>
std::expected<std::uint64_t, std::string> integer_bits(Kind kind, const value& json) {
  if (const auto number = integer_from<Integer>(json)) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &*number, sizeof(Integer));
    return bits;
  }
  std::string error = expected_got(reflect::to_string(kind), json);
  if (json.is_number())
    error += fmt::format(", which is not a whole number from {} to {}", std::numeric_limits<Integer>::min(),
                         std::numeric_limits<Integer>::max());
  return std::unexpected(std::move(error));
}

std::optional<double> real_from(const value& json) {
  if (const auto* number = json.if_int64()) return static_cast<double>(*number);
  if (const auto* large = json.if_uint64()) return static_cast<double>(*large);
  if (const auto* real = json.if_double()) return *real;
  if (const auto* word = json.if_string()) {
    if (*word == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (*word == "Infinity") return std::numeric_limits<double>::infinity();
    if (*word == "-Infinity") return -std::numeric_limits<double>::infinity();
  }
  return std::nullopt;
}

std::expected<std::uint64_t, std::string> real_bits(Kind kind, const value& json) {
  const auto real = real_from(json);
  if (!real) return std::unexpected(expected_got(reflect::to_string(kind), json));
  if (kind == Kind::float64) return std::bit_cast<std::uint64_t>(*real);
  if (!fits_float(*real)) return std::unexpected(expected_got("float32", json) + ", which is out of range");
  return std::bit_cast<std::uint32_t>(static_cast<float>(*real));
}

/// The double with the float's shortest digits, 0.1 and not 0.10000000149011612, if it reads back as the same float.
double widen(float real) {
  double wide = real;
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), real).ptr;
  std::from_chars(digits.data(), end, wide);
  return static_cast<float>(wide) == real ? wide : real;
}

value real_to_json(double real) {
  if (std::isnan(real)) return "NaN";
  if (std::isinf(real)) return real > 0 ? "Infinity" : "-Infinity";
  return real;
}

/// A number counts seconds; a fraction is read to the nanosecond.
std::optional<std::uint64_t> seconds_from(const reflect::TimeUnit& unit, const value& json) {
  if (const auto whole = integer_from<std::int64_t>(json))
    return convert_count({.num = 1, .den = 1}, static_cast<std::uint64_t>(*whole), unit);
  const auto seconds = real_from(json);
  if (!seconds) return std::nullopt;
  if (unit.count == Kind::float64)
    return convert_count({.num = 1, .den = 1, .count = Kind::float64}, std::bit_cast<std::uint64_t>(*seconds), unit);
  if (!(std::abs(*seconds) < 9.2e9)) return std::nullopt;
  return convert_count({}, static_cast<std::uint64_t>(std::llround(*seconds * 1e9)), unit);
}

std::expected<std::uint64_t, std::string> time_bits(Kind kind, const reflect::TimeUnit& unit, const value& json) {
  if (unit.is_date) {
    if (const auto count = date_from_json(unit, json)) return *count;
    return std::unexpected(expected_got("a date such as \"2023-11-14\"", json));
  }
  const auto* text = json.if_string();
  std::optional<std::uint64_t> count;
  if (text != nullptr) count = time_from_text(kind, unit, *text);
  const bool may_be_number = text == nullptr ? kind == Kind::duration : unit.count == Kind::float64;  // "NaN"
  if (!count && may_be_number) count = seconds_from(unit, json);
  if (count) return *count;
  const std::string_view example = kind == Kind::duration
                                       ? "a duration such as \"1.5s\", \"250ms\" or a number of seconds"
                                       : "a time such as \"2023-11-14T22:13:20Z\"";
  std::string error = expected_got(example, json);
  if (text != nullptr && (kind == Kind::duration ? protocol::parse_duration(*text) : protocol::parse_time(*text)))
    error += fmt::format(", which is too far away, or not a whole number of its unit, {}",
                         unit == reflect::TimeUnit{} ? "ns" : reflect::unit_text(unit));
  return std::unexpected(std::move(error));
}

}  // namespace

std::string format_base64(std::span<const std::byte> bytes) {
  if (bytes.size() > INT_MAX / 4 * 3) throw std::length_error("bytes that are too many for base64");
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a zero
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

std::optional<Bytes> parse_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > INT_MAX) return std::nullopt;
  Bytes bytes(text.size() / 4 * 3);
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size())) < 0)
    return std::nullopt;
  bytes.resize(bytes.size() - (text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0));
  if (format_base64(bytes) != text) return std::nullopt;  // blanks around it, padding inside it, or bits left over
  return bytes;
}

std::string describe(const value& json) {
  switch (json.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return json.get_bool() ? "true" : "false";
    case boost::json::kind::array:
      return fmt::format("a list of {}", json.get_array().size());
    case boost::json::kind::object:
      return "an object";
    case boost::json::kind::string: {
      std::string text(json.get_string());
      if (text.size() > kShownBytesMax) {
        std::size_t end = kShownBytesMax;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80)
          --end;  // do not cut inside a character
        text = text.substr(0, end) + "…";
      }
      return "the string " + protocol::quote_json(text);
    }
    default:
      return "the number " + protocol::print_json(json);
  }
}

value number_to_json(Kind kind, std::uint64_t bits) {
  switch (kind) {
    case Kind::boolean:
      return bits != 0;
    case Kind::int8:
    case Kind::int16:
    case Kind::int32:
    case Kind::int64:
      return static_cast<std::int64_t>(sign_extended(kind, bits));
    case Kind::float32:
      return real_to_json(widen(load_as<float>(&bits)));
    case Kind::float64:
      return real_to_json(load_as<double>(&bits));
    default:
      if (std::in_range<std::int64_t>(bits)) return static_cast<std::int64_t>(bits);
      return bits;
  }
}

std::expected<std::uint64_t, std::string> scalar_from_json(Kind kind, const reflect::TimeUnit& unit,
                                                           const value& json) {
  switch (kind) {
    case Kind::boolean:
      if (const auto* flag = json.if_bool()) return *flag ? 1 : 0;
      return std::unexpected(expected_got("true or false", json));
    case Kind::float32:
    case Kind::float64:
      return real_bits(kind, json);
    case Kind::duration:
    case Kind::time_point:
      return time_bits(kind, unit, json);
    default:
      return with_number(kind, [&]<class T>(T) -> std::expected<std::uint64_t, std::string> {
        if constexpr (std::is_integral_v<T>) return integer_bits<T>(kind, json);
        std::unreachable();
      });
  }
}

}  // namespace epic::codec
