#pragma once
// How values are written that JSON has no syntax for: times, bytes, NaN and infinities.
//
//     duration   "1.5s"; read also as 250ms, 5us, 1h30m, 2d, or a number of seconds
//     time       RFC 3339, "2023-11-14T22:13:20.5Z" (protocol/time_text.hpp)
//     both       "0.1ms", "5[1/60]s": a floating count, and one that is no decimal fraction of a second
//     date       "2023-11-14"; {"year": 2023, "month": 2, "day": 30} if it is not a date
//     bytes      base64 with padding
//     floats     "NaN", "Infinity", "-Infinity" beside numbers

#include <boost/json/value.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "epic/type_info.hpp"

namespace epic::codec {

/// JSON for a duration or time, from its count.
[[nodiscard]] boost::json::value time_to_json(reflect::Kind kind, const reflect::TimeUnit& unit, std::uint64_t count);
/// The count in `unit`; empty if the text has another form, or the unit cannot hold it.
[[nodiscard]] std::optional<std::uint64_t> time_from_text(reflect::Kind kind, const reflect::TimeUnit& unit,
                                                          std::string_view text);

/// The count of a date in `date`, its unit; empty if the JSON has another form or is not midnight.
[[nodiscard]] std::optional<std::uint64_t> date_from_json(const reflect::TimeUnit& date,
                                                          const boost::json::value& json);

[[nodiscard]] std::string format_base64(std::span<const std::byte> bytes);
[[nodiscard]] std::optional<Bytes> parse_base64(std::string_view text);

/// "the string \"x\"", "the number 5", "a list of 3", to follow "got".
[[nodiscard]] std::string describe(const boost::json::value& value);

/// JSON for a bool or number, from its raw bits.
[[nodiscard]] boost::json::value number_to_json(reflect::Kind kind, std::uint64_t bits);

/// The raw bits of a bool, number or time of `kind`, a time in `unit`; the error is "expected …, got …".
[[nodiscard]] std::expected<std::uint64_t, std::string> scalar_from_json(reflect::Kind kind,
                                                                         const reflect::TimeUnit& unit,
                                                                         const boost::json::value& value);

}  // namespace epic::codec
