#pragma once
// Parses JSON text to boost::json::value with every number exact; errors say where.
//
// Boost.JSON's own parse() may get the last bit of a double wrong and stops at 32 levels; values written as JSON must
// read back unchanged.

#include <boost/json/value.hpp>
#include <expected>
#include <string>
#include <string_view>

namespace epic::codec {

/// Parses exactly one value, possibly surrounded by white space. The error is a sentence with line and column.
[[nodiscard]] std::expected<boost::json::value, std::string> parse_json(std::string_view text);

}  // namespace epic::codec
