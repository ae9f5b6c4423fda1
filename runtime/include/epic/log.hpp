#pragma once
// log: lines with time, level and the entity that wrote them. They go to the node's log and do not wait for the gate.

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace epic::log {

enum class Level { debug, info, warn, error };

/// Writes one line immediately. Each line break in `message` starts a new log line.
void write(Level level, std::string_view message);
/// False if lines of this level are dropped, so that expensive arguments need not be computed.
[[nodiscard]] bool is_on(Level level);

namespace detail {
void vwrite(Level level, fmt::string_view format, fmt::format_args args);
}

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  detail::vwrite(Level::debug, format, fmt::make_format_args(args...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  detail::vwrite(Level::info, format, fmt::make_format_args(args...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  detail::vwrite(Level::warn, format, fmt::make_format_args(args...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  detail::vwrite(Level::error, format, fmt::make_format_args(args...));
}

}  // namespace epic::log
