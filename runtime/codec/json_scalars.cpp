#include "codec/json_scalars.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "codec/scalars.hpp"
#include "protocol/json.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using boost::json::value;
using reflect::Kind;

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
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
    constexpr double kExactMax = 9007199254740992.0;  // 2^53: above it not every integer is a double
    if (std::trunc(*real) != *real || std::abs(*real) > kExactMax) return std::nullopt;
    const auto whole = static_cast<std::int64_t>(*real);
    if (std::in_range<Integer>(whole)) return static_cast<Integer>(whole);
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
  if (std::isfinite(*real) && std::abs(*real) >= kBeyondFloat)
    return std::unexpected(expected_got("float32", json) + ", which is out of range");
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

std::expected<std::uint64_t, std::string> duration_bits(const value& json) {
  std::optional<std::int64_t> ns;
  if (const auto* text = json.if_string()) {
    ns = parse_duration(*text);
  } else if (const auto seconds = real_from(json)) {
    const double exact = *seconds * 1e9;
    if (const auto whole = integer_from<std::int64_t>(json); whole && std::abs(*seconds) < 9.2e9) {
      ns = *whole * 1'000'000'000;
    } else if (std::abs(exact) < 9.2e18) {
      ns = std::llround(exact);
    }
  }
  if (!ns) return std::unexpected(expected_got("a duration such as \"1.5s\", \"250ms\" or a number of seconds", json));
  return static_cast<std::uint64_t>(*ns);
}

std::expected<std::uint64_t, std::string> time_bits(const value& json) {
  const auto* text = json.if_string();
  const auto ns = text != nullptr ? parse_time(*text) : std::nullopt;
  if (!ns) return std::unexpected(expected_got("a time such as \"2023-11-14T22:13:20Z\"", json));
  return static_cast<std::uint64_t>(*ns);
}

}  // namespace

std::string format_base64(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kBase64[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::optional<Bytes> parse_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  const std::string_view digits = text.substr(0, text.size() - padding);
  Bytes bytes;
  bytes.reserve(digits.size() * 3 / 4);
  std::uint32_t group = 0;
  int bits = 0;
  for (const char digit : digits) {
    const std::size_t sextet = kBase64.find(digit);
    if (sextet == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(sextet);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::byte>(group >> bits));
    group &= (1U << bits) - 1;
  }
  if (group != 0) return std::nullopt;  // the remaining bits must be zero
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

std::expected<std::uint64_t, std::string> scalar_from_json(Kind kind, const value& json) {
  switch (kind) {
    case Kind::boolean:
      if (const auto* flag = json.if_bool()) return *flag ? 1 : 0;
      return std::unexpected(expected_got("true or false", json));
    case Kind::float32:
    case Kind::float64:
      return real_bits(kind, json);
    case Kind::duration:
      return duration_bits(json);
    case Kind::time_point:
      return time_bits(json);
    default:
      return with_number(kind, [&]<class T>(T) -> std::expected<std::uint64_t, std::string> {
        if constexpr (std::is_integral_v<T>) return integer_bits<T>(kind, json);
        std::unreachable();
      });
  }
}

}  // namespace epic::codec
