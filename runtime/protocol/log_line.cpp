#include "protocol/log_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace epic::protocol {

namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::array<std::string_view, 5> kLevelNames = {"debug", "info", "warn", "error", "output"};
constexpr std::array<std::string_view, 5> kLevelWords = {"DEBUG", "INFO", "WARN", "ERROR", "OUTPUT"};
constexpr std::string_view kTimeShape = "0000-00-00T00:00:00.000Z";
constexpr std::int64_t kSecondsMax = 9'000'000'000;  // that a system_clock of nanoseconds can count

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string escape_entity(std::string_view entity) {
  if (entity.empty()) return "-";
  std::string out;
  for (const char c : entity) {
    if (c == ' ' || c == '%' || is_control(c))
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

std::string unescape_entity(std::string_view text) {
  if (text == "-") return {};
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// As format_time() writes it.
std::optional<system_clock::time_point> parse_log_time(std::string_view text) {
  const auto span = text.size() == kTimeShape.size() ? parse_time(text) : std::nullopt;
  if (!span || span->seconds > kSecondsMax || span->seconds < -kSecondsMax) return std::nullopt;
  return system_clock::time_point(std::chrono::seconds(static_cast<std::int64_t>(span->seconds))) +
         milliseconds(static_cast<std::int64_t>(span->attoseconds / (kAttosecondsPerSecond / 1'000)));
}

std::optional<LogLevel> parse_level(std::string_view word) {
  for (std::size_t i = 0; i < kLevelWords.size(); ++i)
    if (kLevelWords[i] == word) return static_cast<LogLevel>(i);
  return std::nullopt;
}

/// Removes the text up to the next blank from the front.
std::string_view take_word(std::string_view& text) {
  const auto blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
  return word;
}

/// Length of a C1 control or a mark that changes the direction of text at the front of `text`, as UTF-8; 0: none.
std::size_t hidden_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) return 2;
  if (byte(0) != 0xe2) return 0;
  const bool is_embedding = byte(1) == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae;
  const bool is_isolate = byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
  return is_embedding || is_isolate ? 3 : 0;
}

/// Length of the escape sequence at the front of `text`, which starts with ESC.
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2) return text.size();
  if (text[1] == '[') {  // CSI: parameters, then one byte from '@' to '~'
    std::size_t i = 2;
    while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
    return std::min(i + 1, text.size());
  }
  if (text[1] == ']') {  // OSC: until BEL or ESC backslash
    for (std::size_t i = 2; i < text.size(); ++i) {
      if (text[i] == '\a') return i + 1;
      if (text[i] == '\x1b') return std::min(i + 2, text.size());
    }
    return text.size();
  }
  return 2;
}

}  // namespace

std::string_view to_string(LogLevel level) { return kLevelNames[static_cast<std::size_t>(level)]; }

std::string format_log_line(const LogLine& line) {
  const std::string front = fmt::format("{} {} {} ", format_time(line.time),
                                        kLevelWords[static_cast<std::size_t>(line.level)], escape_entity(line.entity));
  std::string out;
  std::string_view rest = line.message;
  while (true) {
    const auto end = rest.find('\n');
    out += front + strip_controls(rest.substr(0, end)) + '\n';
    if (end == std::string_view::npos || end + 1 == rest.size()) return out;
    rest.remove_prefix(end + 1);
  }
}

LogLine parse_log_line(std::string_view source, std::string_view text, system_clock::time_point now) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  LogLine line{.time = now, .source = std::string(source), .level = LogLevel::output, .entity = {}, .message = {}};
  std::string_view rest = text;
  const auto time = parse_log_time(take_word(rest));
  const auto level = parse_level(take_word(rest));
  const std::string_view entity = take_word(rest);
  if (!time || !level || entity.empty()) {
    line.message = text;
    return line;
  }
  line.time = *time;
  line.level = *level;
  line.entity = unescape_entity(entity);
  line.message = rest;
  return line;
}

protocol::control::Logs::Answer row_of(const LogLine& line) {
  return {.time = format_time(line.time),
          .node = line.source,
          .level = std::string(to_string(line.level)),
          .entity = line.entity.empty() ? std::nullopt : std::optional(line.entity),
          .message = line.message};
}

std::string strip_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\x1b') {
      i += escape_length(text.substr(i));
    } else {
      const std::size_t hidden = hidden_length(text.substr(i));
      if (hidden == 0 && (text[i] == '\t' || !is_control(text[i]))) out += text[i];
      i += std::max<std::size_t>(hidden, 1);
    }
  }
  return out;
}

}  // namespace epic::protocol
