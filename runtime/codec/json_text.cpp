#include "codec/json_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>

#include "codec/limits.hpp"

namespace epic::codec {
namespace {

namespace json = boost::json;
using boost::json::error_code;
using boost::json::string_view;

/// Called by basic_parser. Differs from Boost's own handler in on_double, which parses the digits again, correctly
/// rounded.
struct ExactHandler {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  json::value_stack stack;
  std::string digits;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t count, error_code&) { return stack.push_object(count), true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t count, error_code&) { return stack.push_array(count), true; }
  bool on_key_part(string_view part, std::size_t, error_code&) { return stack.push_chars(part), true; }
  bool on_key(string_view part, std::size_t, error_code&) { return stack.push_key(part), true; }
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
  bool on_double(double nearly, string_view part, error_code&) {
    digits.append(part.data(), part.size());
    double exact = nearly;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exact);
    stack.push_double(error == std::errc{} && end == digits.data() + digits.size() ? exact : nearly);
    digits.clear();
    return true;
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

}  // namespace

std::expected<json::value, std::string> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 4 * kValueDepthMax;
  json::basic_parser<ExactHandler> parser(options);
  parser.handler().stack.reset({});
  error_code error;
  std::size_t used = parser.write_some(/*more=*/false, text.data(), text.size(), error);
  if (error) return std::unexpected(located(text, used, error.message()));
  used = std::min(text.find_first_not_of(" \t\r\n", used), text.size());
  if (used < text.size()) return std::unexpected(located(text, used, "something follows after the value"));
  return parser.handler().stack.release();
}

}  // namespace epic::codec
