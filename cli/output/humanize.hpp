#pragma once
// Humanize: sizes and durations as people read and write them.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace epic::cli {

/// "873 B", "1.2 KiB", "4.0 GiB".
std::string human_bytes(std::int64_t bytes);
/// "250 ms", "3.2 s", "3 min", "5 h", "12 d"; one unit, rounded down.
std::string human_duration(std::chrono::milliseconds duration);
/// "3 min ago"; "just now" for less than a second.
std::string human_age(std::chrono::milliseconds age);

/// "1 entity", "2 entities".
std::string count_of(std::uint64_t count, std::string_view one, std::string_view many);

/// The longest duration that is accepted: a hundred years, which fit into nanoseconds from now in either direction.
inline constexpr std::chrono::milliseconds kDurationMax = std::chrono::days(36'500);

/// "250ms", "30s", "5m", "2h", "30d", as flags and epic.toml have them; empty if it is not a duration.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// What parse_duration() reads, in the largest unit that is exact: "250ms", "15m".
std::string duration_text(std::chrono::milliseconds duration);

/// "4096", "64KiB", "512MiB", "2GiB"; empty if it is not a size, or too large for 64 bits.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace epic::cli
