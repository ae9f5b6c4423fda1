#include "cluster/supervisor/log_hub.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace epic::cluster {

namespace fs = std::filesystem;

namespace {

/// Runs sort by name: the time to the second, then the number of the run.
std::string run_name(std::uint64_t run, std::chrono::system_clock::time_point now) {
  std::string time = protocol::format_time(now).substr(0, 19);  // without the milliseconds
  std::ranges::replace(time, ':', '-');
  return fmt::format("{}-run-{}", time, run);
}

void remove_old_runs(const files::Directory& logs, std::size_t kept) {
  std::error_code ignored;
  std::vector<std::string> runs;
  for (const auto& entry : fs::directory_iterator(logs.path(), ignored)) {
    std::string name = entry.path().filename().string();
    if (!entry.is_symlink(ignored) && name.contains("-run-")) runs.push_back(std::move(name));
  }
  std::ranges::sort(runs);
  for (std::size_t i = 0; i + kept < runs.size(); ++i) logs.remove_tree(runs[i]);
}

/// spdlog opens its file by name after this. It throws if that must not be.
void make_file(const std::string& path) {
  if (const auto made = files::secure_file(path, files::Missing::created); !made)
    throw std::runtime_error(made.error().message);
}

}  // namespace

struct LogHub::Files {
  std::map<std::string, std::unique_ptr<spdlog::sinks::rotating_file_sink_st>, std::less<>> by_source;
};

std::expected<std::unique_ptr<LogHub>, SupervisorError> LogHub::open(const fs::path& logs, std::uint64_t run,
                                                                     std::chrono::system_clock::time_point now) {
  const auto own = files::Directory::open(logs);
  if (!own) return std::unexpected(error_of(own.error()));
  remove_old_runs(*own, kRunsMax - 1);
  const fs::path directory = logs / run_name(run, now);
  if (const auto made = files::make_directory(directory); !made) return std::unexpected(error_of(made.error()));
  if (const auto linked = own->replace_link("latest", directory.filename().string()); !linked)
    return std::unexpected(error_of(linked.error()));
  return std::unique_ptr<LogHub>(new LogHub(directory));
}

LogHub::LogHub(fs::path directory) : directory_(std::move(directory)), files_(std::make_unique<Files>()) {}
LogHub::LogHub() = default;
LogHub::~LogHub() = default;

fs::path LogHub::file_of(std::string_view source) const {
  return files_ ? directory_ / fmt::format("{}.log", source) : fs::path();
}

/// A line that a follower brings about comes to all of them after the one that it has been told.
void LogHub::add(protocol::LogLine line) {
  keep(std::move(line));
  if (followers_.empty()) return;
  to_tell_.push_back(recent_.back());
  if (std::exchange(is_telling_, true)) return;
  for (; !to_tell_.empty(); to_tell_.pop_front())
    for (auto follower = followers_.begin(); follower != followers_.end();) {
      const auto [number, sink] = *follower;  // a copy: the follower may remove itself, or others
      sink(to_tell_.front());
      follower = followers_.upper_bound(number);
    }
  is_telling_ = false;
}

void LogHub::keep(protocol::LogLine line) {
  if (line.message.size() > kLineBytesMax) {
    const std::size_t dropped = line.message.size() - kLineBytesMax;
    line.message.resize(kLineBytesMax);
    line.message += fmt::format(" … ({} bytes more)", dropped);
  }
  if (files_) write(line);
  recent_.push_back(std::move(line));
  if (recent_.size() > kRecentLinesMax) recent_.pop_front();
}

void LogHub::write(const protocol::LogLine& line) {
  try {
    auto& file = files_->by_source[line.source];
    if (!file) {
      spdlog::file_event_handlers handlers;
      handlers.before_open = &make_file;
      file = std::make_unique<spdlog::sinks::rotating_file_sink_st>(file_of(line.source).string(), kFileBytesMax,
                                                                    kFilesMax, /*rotate_on_open=*/false, handlers);
      file->set_pattern("%v");
    }
    std::string text = protocol::format_log_line(line);
    text.pop_back();
    file->log({{}, spdlog::level::info, text});
    file->flush();
  } catch (const std::exception&) {
    // Full disk: the line is still shown and remembered, and the fabric matters more than its log.
  }
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
