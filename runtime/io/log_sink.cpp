#include "io/log_sink.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace epic::io {

namespace {

constexpr std::size_t kGatheredBytesMax = 1 << 20;

}  // namespace

protocol::LogLevel parse_log_level(std::string_view text) {
  for (const auto level :
       {protocol::LogLevel::debug, protocol::LogLevel::info, protocol::LogLevel::warn, protocol::LogLevel::error})
    if (text == protocol::to_string(level)) return level;
  return protocol::LogLevel::info;
}

void LogSink::set_lowest(protocol::LogLevel lowest) {
  const std::lock_guard lock(mutex_);
  lowest_ = lowest;
}

void LogSink::write(protocol::LogLevel level, std::string_view entity, std::string_view message) {
  const std::lock_guard lock(mutex_);
  if (level < lowest_) return;
  const auto format = [&](protocol::LogLevel line_level, std::string_view line_entity, std::string_view text) {
    return protocol::format_log_line({.time = std::chrono::system_clock::now(),
                                      .source = {},
                                      .level = line_level,
                                      .entity = std::string(line_entity),
                                      .message = std::string(text)});
  };
  if (dropped_count_ > 0 && gathered_.empty())
    gathered_ += format(
        protocol::LogLevel::warn, {},
        fmt::format("{} lines were dropped because they were not read fast enough", std::exchange(dropped_count_, 0)));
  std::string text = format(level, entity, message);
  if (gathered_.size() + text.size() > kGatheredBytesMax) {
    ++dropped_count_;
    return;
  }
  gathered_ += text;
  flush_locked(0);
}

bool LogSink::flush() {
  const std::lock_guard lock(mutex_);
  return flush_locked(0);
}

void LogSink::flush_within(std::chrono::milliseconds patience) {
  const std::lock_guard lock(mutex_);
  flush_locked(static_cast<int>(patience.count()));
}

/// A pipe that is ready takes PIPE_BUF bytes without blocking, in one piece.
bool LogSink::flush_locked(int patience_ms) {
  std::size_t done = 0;
  while (done < gathered_.size()) {
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    const int count = ::poll(&ready, 1, patience_ms);
    if (count == 0 || (count < 0 && errno != EINTR)) break;
    if (count < 0) continue;
    if ((ready.revents & POLLOUT) == 0 && (ready.revents & (POLLERR | POLLNVAL)) != 0) {
      done = gathered_.size();  // its reader has gone for good
      break;
    }
    const std::size_t line_end = gathered_.find('\n', done);
    const std::size_t line = (line_end == std::string::npos ? gathered_.size() : line_end + 1) - done;
    const ssize_t written = ::write(descriptor_, gathered_.data() + done, std::min<std::size_t>(line, PIPE_BUF));
    if (written > 0)
      done += static_cast<std::size_t>(written);
    else if (written < 0 && errno != EINTR && errno != EAGAIN)
      done = gathered_.size();
    else if (written < 0 && errno == EAGAIN && patience_ms == 0)
      break;
  }
  gathered_.erase(0, done);
  return !gathered_.empty();
}

}  // namespace epic::io
