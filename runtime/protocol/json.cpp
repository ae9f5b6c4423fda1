#include "protocol/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "reflect/utf8.hpp"

namespace epic::protocol {
namespace {

namespace json = boost::json;
using boost::json::error_code;
using boost::json::string_view;

// ---- parsing

/// A decimal number without its sign, as digits × 10^exponent: "1.50e3" is 15 × 10^2.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal decimal_of(std::string_view number) {
  Decimal decimal;
  const std::size_t e = number.find_first_of("eE");
  if (e != std::string_view::npos) {
    const std::size_t begin = e + (number[e + 1] == '+' ? 2 : 1);
    std::from_chars(number.data() + begin, number.data() + number.size(), decimal.exponent);
  }
  bool is_fraction = false;
  for (const char c : number.substr(0, e)) {
    if (c == '.') is_fraction = true;
    if (c < '0' || c > '9') continue;
    if (is_fraction) --decimal.exponent;
    if (c != '0' || !decimal.digits.empty()) decimal.digits += c;
  }
  while (decimal.digits.ends_with('0')) {
    decimal.digits.pop_back();
    ++decimal.exponent;
  }
  return decimal;
}

/// The integer that a number is, by its digits. Empty: it is not whole, or does not fit into 64 bits.
std::optional<json::value> find_integer(Decimal decimal, bool is_negative) {
  if (decimal.digits.empty()) return std::nullopt;  // zero: -0.0 has a sign, which only a double can hold
  if (decimal.exponent < 0 || decimal.exponent > 19) return std::nullopt;
  decimal.digits.append(static_cast<std::size_t>(decimal.exponent), '0');
  if (is_negative) decimal.digits.insert(decimal.digits.begin(), '-');
  const auto read = [&](auto whole) -> std::optional<json::value> {
    const char* const end = decimal.digits.data() + decimal.digits.size();
    const auto [stop, error] = std::from_chars(decimal.digits.data(), end, whole);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return json::value(whole);
  };
  if (auto number_64 = read(std::int64_t{})) return number_64;
  return read(std::uint64_t{});
}

/// Whether a double holds the integer exactly.
bool is_double(const json::value& integer) {
  const auto fits = [](auto whole, double limit) {
    const auto real = static_cast<double>(whole);
    return real < limit && static_cast<decltype(whole)>(real) == whole;
  };
  if (const auto* number = integer.if_int64()) return fits(*number, 0x1p63);
  return fits(integer.get_uint64(), 0x1p64);
}

/// For an error: a number may have any number of digits.
std::string shown(const std::string& number) {
  constexpr std::size_t kShownMax = 60;
  return number.size() <= kShownMax ? number : number.substr(0, kShownMax) + "…";
}

/// Called by basic_parser. Boost's own handler takes the doubles that basic_parser makes, which may have a wrong last
/// bit; this one parses the digits again.
struct Handler {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  DuplicateKeys duplicate_keys = DuplicateKeys::keep_last;
  json::value_stack stack;
  std::string digits = {};
  std::string key = {};
  std::vector<std::set<std::string, std::less<>>> keys = {};  // of the open objects, if duplicates are refused
  std::string problem = {};                                   // why this handler has stopped the parser

  bool fail(std::string what, error_code& error) {
    problem = std::move(what);
    error = json::error::syntax;
    return false;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    if (duplicate_keys == DuplicateKeys::refuse) keys.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t count, error_code&) {
    if (duplicate_keys == DuplicateKeys::refuse) keys.pop_back();
    return stack.push_object(count), true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t count, error_code&) { return stack.push_array(count), true; }
  bool on_key_part(string_view part, std::size_t, error_code&) {
    if (duplicate_keys == DuplicateKeys::refuse) key.append(part.data(), part.size());
    return stack.push_chars(part), true;
  }
  bool on_key(string_view part, std::size_t, error_code& error) {
    if (duplicate_keys == DuplicateKeys::refuse) {
      key.append(part.data(), part.size());
      const auto [name, is_new] = keys.back().insert(std::exchange(key, {}));
      if (!is_new) return fail(fmt::format("the object has {} twice", quote_json(*name)), error);
    }
    return stack.push_key(part), true;
  }
  bool on_string_part(string_view part, std::size_t, error_code&) { return stack.push_chars(part), true; }
  bool on_string(string_view part, std::size_t, error_code&) { return stack.push_string(part), true; }
  bool on_number_part(string_view part, error_code&) { return digits.append(part.data(), part.size()), true; }
  bool on_int64(std::int64_t number, string_view, error_code&) {
    digits.clear();
    return stack.push_int64(number), true;
  }
  bool on_uint64(std::uint64_t number, string_view, error_code&) {
    digits.clear();
    return stack.push_uint64(number), true;
  }
  bool on_double(double nearly, string_view part, error_code& error) {
    digits.append(part.data(), part.size());
    const std::string text = std::exchange(digits, {});
    const bool is_negative = text.starts_with('-');
    double exact = nearly;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), exact);
    if (failure == std::errc::result_out_of_range) {
      if (!decimal_of(text).digits.empty())
        return fail(fmt::format("{} is out of range: it is too {} for a double", shown(text),
                                std::abs(nearly) > 1 ? "large" : "close to zero"),
                    error);
      exact = std::copysign(0.0, is_negative ? -1.0 : 1.0);
    }
    return std::trunc(exact) == exact ? push_whole(exact, text, error) : (stack.push_double(exact), true);
  }
  /// A number that is whole as a double. The digits decide whether it is: an integer must not lose any of them.
  bool push_whole(double exact, const std::string& text, error_code& error) {
    const Decimal decimal = decimal_of(text);
    const auto whole = find_integer(decimal, text.starts_with('-'));
    if (!whole && !decimal.digits.empty() && exact >= -0x1p63 && exact < 0x1p64)
      return fail(
          fmt::format("{} has more digits than a double can hold, and would become {}", shown(text), print_json(exact)),
          error);
    const bool has_exponent = text.find_first_of("eE") != std::string::npos;
    if (whole && (has_exponent || !is_double(*whole))) {
      if (const auto* number = whole->if_int64()) return stack.push_int64(*number), true;
      return stack.push_uint64(whole->get_uint64()), true;
    }
    return stack.push_double(exact), true;
  }
  bool on_bool(bool value, error_code&) { return stack.push_bool(value), true; }
  bool on_null(error_code&) { return stack.push_null(), true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }
};

std::string located(std::string_view text, std::size_t at, std::string_view what) {
  const std::string_view before = text.substr(0, std::min(at, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("not JSON at line {}, column {}: {}", line, before.size() - line_begin + 1, what);
}

// ---- printing

/// What lies deeper is on one line: indentation would make the text grow with the square of the depth.
constexpr std::size_t kIndentedLevelsMax = 32;

class Printer {
 public:
  enum class Layout : std::uint8_t { line, indented };

  explicit Printer(Layout layout) : layout_(layout) {}

  void value(const json::value& value) {
    switch (value.kind()) {
      case json::kind::null:
        out_ += "null";
        break;
      case json::kind::bool_:
        out_ += value.get_bool() ? "true" : "false";
        break;
      case json::kind::int64:
        fmt::format_to(std::back_inserter(out_), "{}", value.get_int64());
        break;
      case json::kind::uint64:
        fmt::format_to(std::back_inserter(out_), "{}", value.get_uint64());
        break;
      case json::kind::double_:
        real(value.get_double());
        break;
      case json::kind::string:
        string(value.get_string());
        break;
      case json::kind::array:
        each('[', value.get_array(), ']', [this](const json::value& element) { this->value(element); });
        break;
      case json::kind::object:
        each('{', value.get_object(), '}', [this](const json::key_value_pair& member) {
          string(member.key());
          out_ += layout_ == Layout::indented ? ": " : ":";
          this->value(member.value());
        });
        break;
    }
  }

  void string(std::string_view text) {
    if (!reflect::is_utf8(text)) return string(reflect::to_utf8(text));
    out_ += '"';
    for (const char c : text) {
      switch (c) {
        case '"':
        case '\\':
          (out_ += '\\') += c;
          break;
        case '\b':
          out_ += "\\b";
          break;
        case '\f':
          out_ += "\\f";
          break;
        case '\n':
          out_ += "\\n";
          break;
        case '\r':
          out_ += "\\r";
          break;
        case '\t':
          out_ += "\\t";
          break;
        default:
          if (static_cast<unsigned char>(c) < 0x20)
            fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(c));
          else
            out_ += c;
      }
    }
    out_ += '"';
  }

  std::string take() { return std::move(out_); }

 private:
  /// The shortest digits that read back as the same double, with a point or an exponent; of a whole number all.
  void real(double real) {
    if (!std::isfinite(real)) {
      out_ += "null";
      return;
    }
    std::array<char, 32> buffer;
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(real), std::chars_format::scientific).ptr;
    const Decimal decimal = decimal_of({buffer.data(), end});
    const std::string& digits = decimal.digits;
    if (std::signbit(real)) out_ += '-';
    if (digits.empty()) {
      out_ += "0.0";
      return;
    }
    // The number of digits before the point. Within these limits people, and most languages, write no exponent.
    const int whole = static_cast<int>(digits.size()) + decimal.exponent;
    if (whole > 21 || whole < -5) {
      out_ += digits[0];
      if (digits.size() > 1) out_.append(".").append(digits, 1);
      fmt::format_to(std::back_inserter(out_), "e{}", whole - 1);
    } else if (whole <= 0) {
      out_.append("0.").append(static_cast<std::size_t>(-whole), '0').append(digits);
    } else if (decimal.exponent >= 0) {
      // Every digit, as it may be read as an integer: 2^60 is 1152921504606846976.0.
      out_.append(
              buffer.data(),
              std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(real), std::chars_format::fixed).ptr)
          .append(".0");
    } else {
      const auto count = static_cast<std::size_t>(whole);
      out_.append(digits, 0, count).append(".").append(digits, count);
    }
  }

  void each(char open, const auto& parts, char close, auto print) {
    out_ += open;
    ++depth_;
    bool is_first = true;
    for (const auto& part : parts) {
      if (!std::exchange(is_first, false)) out_ += ',';
      new_line();
      print(part);
    }
    if (!parts.empty()) new_line(/*outdent=*/1);
    --depth_;
    out_ += close;
  }

  void new_line(std::size_t outdent = 0) {
    if (layout_ == Layout::indented && depth_ <= kIndentedLevelsMax)
      out_.append("\n").append((depth_ - outdent) * 2, ' ');
  }

  const Layout layout_;
  std::string out_;
  std::size_t depth_ = 0;
};

std::string print(const json::value& value, Printer::Layout layout) {
  Printer printer(layout);
  printer.value(value);
  return printer.take();
}

}  // namespace

std::expected<json::value, std::string> parse_json(std::string_view text, DuplicateKeys duplicate_keys) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::basic_parser<Handler> parser(options);
  Handler& handler = parser.handler();
  handler.duplicate_keys = duplicate_keys;
  handler.stack.reset({});
  error_code error;
  std::size_t used = parser.write_some(/*more=*/false, text.data(), text.size(), error);
  if (error) return std::unexpected(located(text, used, handler.problem.empty() ? error.message() : handler.problem));
  used = std::min(text.find_first_not_of(" \t\r\n", used), text.size());
  if (used < text.size()) return std::unexpected(located(text, used, "something follows after the value"));
  return handler.stack.release();
}

std::string print_json(const json::value& value) { return print(value, Printer::Layout::line); }

std::string print_json_indented(const json::value& value) { return print(value, Printer::Layout::indented); }

std::string quote_json(std::string_view text) {
  Printer printer(Printer::Layout::line);
  printer.string(text);
  return printer.take();
}

}  // namespace epic::protocol
