#pragma once
// LogLine: one line of a log, written by a node and parsed by its supervisor.
//
// A node writes `<RFC 3339 time> <LEVEL> <entity or -> <message>` to its standard output or error; anything else in its
// output (a user's printf, a loader's error) is a line as well, at level output. Log files have the same format.
// Blanks, '%' and control characters in entities' names are written as %XX. A message of several lines is written as
// several log lines.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/control_fabric.hpp"
#include "protocol/time_text.hpp"

namespace epic::protocol {

enum class LogLevel : std::uint8_t { debug, info, warn, error, output };

struct LogLine {
  std::chrono::system_clock::time_point time;  // milliseconds are kept
  std::string source;                          // "node-2", "supervisor"; not part of the text
  LogLevel level = LogLevel::output;
  std::string entity;  // "Player/Bob"; empty if no entity's code was running
  std::string message;
  bool operator==(const LogLine&) const = default;
};

/// "debug", "info", "warn", "error", "output"; in upper case in log text.
[[nodiscard]] std::string_view to_string(LogLevel level);

/// The text of `line`, each of its lines ended by a line break, without control characters and colour codes.
[[nodiscard]] std::string format_log_line(const LogLine& line);

/// Parses one line; a line in another format becomes an `output` line with time `now`.
[[nodiscard]] LogLine parse_log_line(std::string_view source, std::string_view text,
                                     std::chrono::system_clock::time_point now);

/// In the form of the control verb `logs`.
[[nodiscard]] protocol::control::Logs::Answer row_of(const LogLine& line);

/// `text` without ANSI escape sequences and control characters other than tabs.
[[nodiscard]] std::string strip_controls(std::string_view text);

}  // namespace epic::protocol
