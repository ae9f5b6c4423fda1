#pragma once
// The JSON door: the only parser and the only printer.
//
// Boost.JSON's values are used everywhere, its parser and printer nowhere else: they get the last bit of doubles wrong,
// stop at 32 levels, write 0.1 as 1E-1, and pass on bytes that are not UTF-8.
//
// Invariant: parse_json(print_json(v)) == v for every v without NaN or infinity whose strings are UTF-8.
//   numbers   64-bit integers and doubles are exact. A whole number that fits into 64 bits is an integer if it has an
//             exponent or no fraction (1e18), or if no double holds it (9007199254740993.0); every other is a double,
//             which is printed so that it stays one (1.0, 0.1, 1e21). What only rounding makes a 64-bit integer
//             (9007199254740993.5) is refused. NaN and infinity have no JSON form and are printed as null.
//   text      printed text is valid UTF-8, with U+FFFD for each byte that is not; parsed text must be valid.
//   depth     up to kJsonDepthMax in both directions.
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

/// What to do if an object has a name twice.
enum class DuplicateKeys : std::uint8_t { keep_last, refuse };

/// Parses exactly one value, possibly surrounded by white space. The error is a sentence with line and column. Never
/// throws.
[[nodiscard]] std::expected<boost::json::value, std::string> parse_json(
    std::string_view text, DuplicateKeys duplicate_keys = DuplicateKeys::keep_last);

/// On one line, without spaces. Never throws.
[[nodiscard]] std::string print_json(const boost::json::value& value);
/// For people: one line per member and element, indented by two spaces; deep down on one line.
[[nodiscard]] std::string print_json_indented(const boost::json::value& value);
/// `text` as a JSON string, quotes included.
[[nodiscard]] std::string quote_json(std::string_view text);

}  // namespace epic::protocol
