#pragma once
// LogHub: every line of the fabric passes here once.
//
// A line goes to the file of its source (logs/<run>/node-2.log, without colour codes, cut over at a bound), to whoever
// shows the logs, and into a short memory from which `epic logs` is answered. Files of older runs are removed, so that
// the directory has a bound, too.

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

/// One thread.
class LogHub {
 public:
  using Sink = std::function<void(const protocol::LogLine&)>;

  static constexpr std::size_t kFileBytesMax = 16u << 20;  // then the file is cut over …
  static constexpr std::size_t kFilesMax = 3;              // … and so many of its predecessors are kept
  static constexpr std::size_t kRunsMax = 10;
  static constexpr std::size_t kRecentLinesMax = 10'000;
  static constexpr std::size_t kLineBytesMax = 64u << 10;  // a longer line is shortened, and says so

  /// Makes the directory of this run, and `latest` beside it.
  [[nodiscard]] static std::expected<std::unique_ptr<LogHub>, SupervisorError> open(
      const std::filesystem::path& logs, std::uint64_t run, std::chrono::system_clock::time_point now);
  ~LogHub();

  void add(protocol::LogLine line);
  /// The same, but followers do not hear it: it is told to them in another way.
  void keep(protocol::LogLine line);
  /// Hears every line from now on. The number takes it away again.
  std::uint64_t follow(Sink sink);
  void unfollow(std::uint64_t follower);

  /// The newest `count` lines that are still in memory, oldest first. `source`: empty for all.
  [[nodiscard]] std::vector<protocol::LogLine> list_recent(std::string_view source, std::size_t count) const;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path file_of(std::string_view source) const;

 private:
  struct Files;  // keeps the logging library out of this header

  explicit LogHub(std::filesystem::path directory);

  std::filesystem::path directory_;
  std::unique_ptr<Files> files_;
  std::deque<protocol::LogLine> recent_;
  std::uint64_t last_follower_ = 0;
  std::map<std::uint64_t, Sink> followers_;
};

}  // namespace epic::cluster
