#pragma once
// LogHub: every line of the fabric passes through here once.
//
// A line goes to the file of its source (logs/<run>/node-2.log, without colour codes, rotated at a size limit), to the
// followers, and into a short memory that answers `epic logs`. Files of older runs are removed, so that the directory
// is bounded, too.

#include <cstdint>
#include <deque>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/control/supervisor_error.hpp"
#include "protocol/log_line.hpp"

namespace epic::cluster {

/// Single-threaded.
class LogHub {
 public:
  using Sink = std::function<void(const protocol::LogLine&)>;

  static constexpr std::size_t kFileBytesMax = 16u << 20;  // then the file is rotated …
  static constexpr std::size_t kFilesMax = 3;              // … and this many old ones are kept
  static constexpr std::size_t kRunsMax = 10;
  static constexpr std::size_t kRecentLinesMax = 10'000;
  static constexpr std::size_t kLineBytesMax = 64u << 10;  // a longer line is truncated, and marked

  /// Creates the directory of this run, and `latest` next to it.
  [[nodiscard]] static std::expected<std::unique_ptr<LogHub>, SupervisorError> open(
      const std::filesystem::path& logs, std::uint64_t run, std::chrono::system_clock::time_point now);
  /// Without files: only followers and the memory get the lines.
  LogHub();
  ~LogHub();

  void add(protocol::LogLine line);
  /// The same, but followers do not get it: it is reported to them in another way.
  void keep(protocol::LogLine line);
  /// Calls `follower` with every line from now on. The number removes it again.
  std::uint64_t follow(Sink sink);
  void unfollow(std::uint64_t follower);

  /// The newest `count` lines still in memory, oldest first. `source`: empty for all.
  [[nodiscard]] std::vector<protocol::LogLine> list_recent(std::string_view source, std::size_t count) const;

  /// Empty without files, as is file_of().
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path file_of(std::string_view source) const;

 private:
  struct Files;  // keeps the logging library out of this header

  explicit LogHub(std::filesystem::path directory);

  void write(const protocol::LogLine& line);

  std::filesystem::path directory_;
  std::unique_ptr<Files> files_;  // null: without
  std::deque<protocol::LogLine> recent_;
  std::uint64_t last_follower_ = 0;
  std::map<std::uint64_t, Sink> followers_;
  std::deque<protocol::LogLine> to_tell_;  // to followers; the first is being told
  bool is_telling_ = false;
};

}  // namespace epic::cluster
