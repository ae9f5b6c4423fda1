#pragma once
// LogSink: a node's lines, to the pipe that its supervisor reads.
//
// Each line is one write, so that lines of several threads, and the output of user code, do not mix. A line is written
// before the next statement of the entity runs, so a crash does not lose it. When the reader falls behind and the pipe
// is full, nothing waits: lines are buffered up to a limit, and beyond it they are dropped. Their count stands where
// they would have stood, as soon as the reader has caught up with half of the buffer. How many lines the reader does
// not know of yet is counted where it can be read after the process has died (protocol/crash_report.hpp). A message
// that would not even fit into the empty buffer is cut, and says how much of it is missing.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "protocol/log_line.hpp"

namespace epic::io {

class LogSink {
 public:
  /// `descriptor` is not owned. Lines below `lowest` are dropped.
  explicit LogSink(int descriptor, protocol::LogLevel lowest = protocol::LogLevel::info)
      : descriptor_(descriptor), lowest_(lowest) {}

  /// Any thread.
  void write(protocol::LogLevel level, std::string_view entity, std::string_view message);
  void set_lowest(protocol::LogLevel lowest);
  /// Before the first line. `unwritten`: lines that are buffered, or dropped and not reported yet.
  void count_in(std::atomic<std::uint64_t>& unwritten);
  /// Writes what is buffered, as far as possible without waiting. True if something is left.
  bool flush();
  /// The same, but waits for the reader up to a limit; before the process ends.
  void flush_within(std::chrono::milliseconds timeout);

 private:
  bool flush_locked(int timeout_ms);
  void gather(std::string_view text);
  void report_dropped();
  void on_line_written();
  [[nodiscard]] std::size_t unwritten_bytes() const { return gathered_.size() - written_; }

  int descriptor_;
  std::mutex mutex_;
  protocol::LogLevel lowest_;
  std::string gathered_;
  std::size_t written_ = 0;           // of it, and not removed yet
  std::uint64_t dropped_count_ = 0;   // not reported yet
  std::uint64_t reported_count_ = 0;  // by the line that is gathered, and not written yet,
  std::size_t report_end_ = 0;        // … and ends here
  std::atomic<std::uint64_t> own_unwritten_{0};
  std::atomic<std::uint64_t>* unwritten_ = &own_unwritten_;
};

/// "debug", "info", "warn", "error"; anything else is info.
[[nodiscard]] protocol::LogLevel parse_log_level(std::string_view text);

}  // namespace epic::io
