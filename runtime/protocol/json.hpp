#pragma once
// The JSON door: the one parser and the one printer.
//
// Boost.JSON's values are used everywhere, its parser and printer nowhere else: they miss doubles by their last bit,
// stop at 32 levels, write 0.1 as 1E-1, and pass bytes on that are not UTF-8.
//
// Invariant: parse_json(print_json(v)) == v for every v without NaN or infinity whose strings are UTF-8.
//   numbers   64-bit integers and doubles are exact. A number with an exponent or without a fraction that is whole and
//             fits into 64 bits is an integer (1e18); every other is a double, which is printed so that it stays one
//             (1.0, 0.1, 1e21). NaN and infinity have no JSON and are printed as null.
//   text      what is printed is valid UTF-8, with U+FFFD for each byte that is not; what is parsed must be.
//   depth     up to kJsonDepthMax, either way.
//
// Not here: values of users' types (codec/json_codec.hpp).

#include <boost/json/value.hpp>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace epic::protocol {

/// Lists and objects inside each other. A value of the codecs' greatest depth (codec::kValueDepthMax) takes up to two
/// levels for each of its own, and stands inside an answer.
inline constexpr std::size_t kJsonDepthMax = 2048;

/// What to do with a name that an object has twice.
enum class DuplicateKeys : std::uint8_t { keep_last, refuse };

/// Exactly one value, with white space around it. The error is a sentence with line and column. Never throws.
[[nodiscard]] std::expected<boost::json::value, std::string> parse_json(
    std::string_view text, DuplicateKeys duplicate_keys = DuplicateKeys::keep_last);

/// On one line, without spaces. Never throws.
[[nodiscard]] std::string print_json(const boost::json::value& value);
/// For people: a line for each member and element, two spaces an indent.
[[nodiscard]] std::string print_json_indented(const boost::json::value& value);
/// `text` as a JSON string, quotes included.
[[nodiscard]] std::string quote_json(std::string_view text);

}  // namespace epic::protocol
