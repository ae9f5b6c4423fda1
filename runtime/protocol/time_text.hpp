#pragma once
// Durations and times as text, and the calendar behind them.
//
// A Span holds any duration or time since the UNIX epoch that C++'s chrono types can count in 64 bits, whatever their
// unit, so text is exact or refused, and years are not limited to those that fit into nanoseconds.
//
//     duration   "1.5s"; read also as 250ms, 5us, 1h30m, 2d
//     time       RFC 3339, "2023-11-14T22:13:20.5Z"; years beyond 0000–9999 have a sign, "+12345-01-01T00:00:00Z";
//                read also with an offset, or as a day alone
//
// Not here: which C++ type holds a time (codec/time_units.hpp).

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace epic::protocol {

using Int128 = __int128;

inline constexpr std::uint64_t kAttosecondsPerSecond = 1'000'000'000'000'000'000;

/// Seconds, rounded down, and what is left.
struct Span {
  Int128 seconds = 0;
  std::uint64_t attoseconds = 0;  // below kAttosecondsPerSecond
};

[[nodiscard]] std::string duration_text(Span span);
[[nodiscard]] std::optional<Span> parse_duration(std::string_view text);

/// `digits` after the point; as many as needed if it is empty.
[[nodiscard]] std::string time_text(Span since_epoch, std::optional<int> digits = std::nullopt);
[[nodiscard]] std::optional<Span> parse_time(std::string_view text);

/// With milliseconds: `2024-11-22T11:10:03.123Z`, for log lines and JSON.
[[nodiscard]] std::string format_time(std::chrono::system_clock::time_point time);

}  // namespace epic::protocol
