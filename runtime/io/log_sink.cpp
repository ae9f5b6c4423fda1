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

std::string format(protocol::LogLevel level, std::string_view entity, std::string_view text) {
  return protocol::format_log_line({.time = std::chrono::system_clock::now(),
                                    .source = {},
                                    .level = level,
                                    .entity = std::string(entity),
                                    .message = std::string(text)});
}

/// How much of the message takes at most `bytes_max` with what stands before each of its lines. Ends between two
/// characters.
std::size_t length_within(std::string_view message, std::size_t front_bytes, std::size_t bytes_max) {
  std::size_t bytes = 0;
  for (std::size_t begin = 0; begin < message.size();) {
    const std::size_t end = std::min(message.find('\n', begin), message.size());
    bytes += front_bytes + (end - begin);
    if (bytes > bytes_max) {
      std::size_t cut = std::max(begin, end - std::min(end, bytes - bytes_max));
      while (cut > begin && (static_cast<unsigned char>(message[cut]) & 0xC0U) == 0x80U) --cut;
      return cut;
    }
    begin = end + 1;
  }
  return message.size();
}

/// The text of a message, which fits into an empty buffer: what does not is cut off, and counted.
std::string format_bounded(protocol::LogLevel level, std::string_view entity, std::string_view message) {
  constexpr std::size_t kMarkBytesMax = 128;
  const std::size_t front_bytes = format(level, entity, {}).size();
  const std::size_t kept = length_within(message, front_bytes, kGatheredBytesMax - kMarkBytesMax - front_bytes);
  if (kept == message.size()) return format(level, entity, message);
  return format(
      level, entity,
      fmt::format("{} [cut: {} bytes of {} follow]", message.substr(0, kept), message.size() - kept, message.size()));
}

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
  const std::string text = format_bounded(level, entity, message);
  // After a first one all are dropped until there is room again, so that there is one gap with one count.
  if (dropped_count_ > 0 || unwritten_bytes() + text.size() > kGatheredBytesMax) {
    ++dropped_count_;
    unwritten_->fetch_add(1, std::memory_order_relaxed);
  } else {
    gather(text);
  }
  flush_locked(0);
}

void LogSink::gather(std::string_view text) {
  gathered_ += text;
  unwritten_->fetch_add(static_cast<std::uint64_t>(std::ranges::count(text, '\n')), std::memory_order_relaxed);
}

void LogSink::count_in(std::atomic<std::uint64_t>& unwritten) {
  const std::lock_guard lock(mutex_);
  unwritten_ = &unwritten;
}

bool LogSink::flush() {
  const std::lock_guard lock(mutex_);
  return flush_locked(0);
}

void LogSink::flush_within(std::chrono::milliseconds timeout) {
  const std::lock_guard lock(mutex_);
  flush_locked(static_cast<int>(timeout.count()));
}

/// In the place of the dropped lines, as soon as the reader has caught up with half of what is buffered.
void LogSink::report_dropped() {
  if (dropped_count_ == 0 || reported_count_ > 0 || unwritten_bytes() > kGatheredBytesMax / 2) return;
  gather(format(protocol::LogLevel::warn, {},
                fmt::format("{} dropped because the log was not read fast enough",
                            dropped_count_ == 1 ? "1 line was" : fmt::format("{} lines were", dropped_count_))));
  reported_count_ = std::exchange(dropped_count_, 0);
  report_end_ = gathered_.size();
}

void LogSink::on_line_written() {
  unwritten_->fetch_sub(1, std::memory_order_relaxed);
  if (reported_count_ > 0 && written_ >= report_end_)
    unwritten_->fetch_sub(std::exchange(reported_count_, 0), std::memory_order_relaxed);
}

/// A pipe that is ready takes PIPE_BUF bytes without blocking, in one piece.
bool LogSink::flush_locked(int timeout_ms) {
  for (report_dropped(); written_ < gathered_.size(); report_dropped()) {
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    const int count = ::poll(&ready, 1, timeout_ms);
    if (count == 0 || (count < 0 && errno != EINTR)) break;
    if (count < 0) continue;
    if ((ready.revents & POLLOUT) == 0 && (ready.revents & (POLLERR | POLLNVAL)) != 0) {
      written_ = gathered_.size();  // its reader has gone for good
      break;
    }
    const std::size_t line_end = gathered_.find('\n', written_);
    const std::size_t line = (line_end == std::string::npos ? gathered_.size() : line_end + 1) - written_;
    const ssize_t written = ::write(descriptor_, gathered_.data() + written_, std::min<std::size_t>(line, PIPE_BUF));
    if (written > 0) {
      written_ += static_cast<std::size_t>(written);
      if (gathered_[written_ - 1] == '\n') on_line_written();
    } else if (written < 0 && errno != EINTR && errno != EAGAIN) {
      written_ = gathered_.size();
    } else if (written < 0 && errno == EAGAIN && timeout_ms == 0) {
      break;
    }
  }
  if (written_ > gathered_.size() / 2) {
    report_end_ -= std::min(report_end_, written_);
    gathered_.erase(0, std::exchange(written_, 0));
  }
  return !gathered_.empty();
}

}  // namespace epic::io
