#pragma once
// JSON text to boost::json::value with every number exact, and an error that says where.
//
// Boost.JSON's own parse() may miss a double by its last bit and stops at 32 levels; values that go out as JSON must
// come back as they were.

#include <boost/json/value.hpp>
#include <expected>
#include <string>
#include <string_view>

namespace epic::codec {

/// Exactly one value, with white space around it. The error is a sentence with line and column.
[[nodiscard]] std::expected<boost::json::value, std::string> parse_json(std::string_view text);

}  // namespace epic::codec
