#include "cluster/supervisor/log_hub.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace epic::cluster {

namespace fs = std::filesystem;

namespace {

/// Runs sort by name: the time to the second, then the number of the run.
std::string run_name(std::uint64_t run, std::chrono::system_clock::time_point now) {
  std::string time = protocol::format_time(now).substr(0, 19);  // without the milliseconds
  std::ranges::replace(time, ':', '-');
  return fmt::format("{}-run-{}", time, run);
}

void remove_old_runs(const fs::path& logs, std::size_t kept) {
  std::error_code ignored;
  std::vector<fs::path> runs;
  for (const auto& entry : fs::directory_iterator(logs, ignored))
    if (entry.is_directory(ignored) && !entry.is_symlink(ignored) &&
        entry.path().filename().string().find("-run-") != std::string::npos)
      runs.push_back(entry.path());
  std::ranges::sort(runs);
  while (runs.size() > kept) {
    fs::remove_all(runs.front(), ignored);
    runs.erase(runs.begin());
  }
}

/// Replaces `latest` atomically, so that it always points somewhere.
std::error_code link_latest(const fs::path& logs, const fs::path& directory) {
  const fs::path fresh = logs / fmt::format("latest.{}", ::getpid());
  std::error_code error;
  fs::remove(fresh, error);
  fs::create_directory_symlink(directory.filename(), fresh, error);
  if (!error) fs::rename(fresh, logs / "latest", error);
  return error;
}

}  // namespace

struct LogHub::Files {
  std::map<std::string, std::unique_ptr<spdlog::sinks::rotating_file_sink_st>, std::less<>> by_source;
};

std::expected<std::unique_ptr<LogHub>, SupervisorError> LogHub::open(const fs::path& logs, std::uint64_t run,
                                                                     std::chrono::system_clock::time_point now) {
  remove_old_runs(logs, kRunsMax - 1);
  const fs::path directory = logs / run_name(run, now);
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) error = link_latest(logs, directory);
  if (error)
    return std::unexpected(
        SupervisorError{.message = fmt::format("Cannot write logs to {}: {}.", directory.string(), error.message()),
                        .hint = "Check the permissions of the directory and the free space on its disk.",
                        .log = {}});
  return std::unique_ptr<LogHub>(new LogHub(directory));
}

LogHub::LogHub(fs::path directory) : directory_(std::move(directory)), files_(std::make_unique<Files>()) {}
LogHub::~LogHub() = default;

fs::path LogHub::file_of(std::string_view source) const { return directory_ / fmt::format("{}.log", source); }

void LogHub::add(protocol::LogLine line) {
  keep(std::move(line));
  const protocol::LogLine& kept = recent_.back();
  for (auto follower = followers_.begin(); follower != followers_.end();) {
    const Sink sink = (follower++)->second;  // a copy: the follower may remove itself
    sink(kept);
  }
}

void LogHub::keep(protocol::LogLine line) {
  if (line.message.size() > kLineBytesMax) {
    const std::size_t dropped = line.message.size() - kLineBytesMax;
    line.message.resize(kLineBytesMax);
    line.message += fmt::format(" … ({} bytes more)", dropped);
  }
  try {
    auto& file = files_->by_source[line.source];
    if (!file) {
      file = std::make_unique<spdlog::sinks::rotating_file_sink_st>(file_of(line.source).string(), kFileBytesMax,
                                                                    kFilesMax);
      file->set_pattern("%v");
    }
    std::string text = protocol::format_log_line(line);
    text.pop_back();
    file->log({{}, spdlog::level::info, text});
    file->flush();
  } catch (const std::exception&) {
    // Full disk: the line is still shown and remembered, and the fabric matters more than its log.
  }
  recent_.push_back(std::move(line));
  if (recent_.size() > kRecentLinesMax) recent_.pop_front();
}

std::uint64_t LogHub::follow(Sink sink) {
  followers_.emplace(++last_follower_, std::move(sink));
  return last_follower_;
}

void LogHub::unfollow(std::uint64_t follower) { followers_.erase(follower); }

std::vector<protocol::LogLine> LogHub::list_recent(std::string_view source, std::size_t count) const {
  std::vector<protocol::LogLine> lines;
  for (auto line = recent_.rbegin(); line != recent_.rend() && lines.size() < count; ++line)
    if (source.empty() || line->source == source) lines.push_back(*line);
  std::ranges::reverse(lines);
  return lines;
}

}  // namespace epic::cluster
