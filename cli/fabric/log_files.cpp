#include "cli/fabric/log_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>

#include "cli/output/suggest.hpp"
#include "protocol/log_line.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

// "node-2.log", and "node-2.1.log" for what was rotated out.
std::string source_of(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.substr(0, name.find('.'));
}

}  // namespace

Result<std::vector<protocol::control::Logs::Answer>> read_log_files(const ProjectPaths& paths, std::string_view node,
                                                                    std::size_t count) {
  std::error_code ignored;
  fs::path latest = paths.logs() / "latest";
  // The link is read, not followed: it names a directory beside it.
  if (const fs::path run = fs::read_symlink(latest, ignored).filename(); !run.empty()) latest = paths.logs() / run;
  for (const fs::path& directory : {paths.logs(), latest})
    if (const auto own = files::refuse_link(directory); !own) return fail(failure_of(own.error()));
  std::vector<fs::path> files;
  std::set<std::string> sources;
  for (const auto& entry : fs::directory_iterator(latest, ignored)) {
    if (entry.path().extension() != ".log") continue;
    sources.insert(source_of(entry.path()));
    if (node.empty() || source_of(entry.path()) == node) files.push_back(entry.path());
  }
  if (sources.empty())
    return fail({.code = ExitCode::not_found,
                 .what = "no fabric is running, and there is no log of an earlier run",
                 .why = fmt::format("{} has no files", latest.string()),
                 .help = {"start a fabric with 'epic run'"}});
  if (files.empty()) {
    const std::vector<std::string> known(sources.begin(), sources.end());
    return fail({.code = ExitCode::not_found,
                 .what = fmt::format("the last run had no node \"{}\"", node),
                 .why = fmt::format("there are logs of {}", listing(known))});
  }
  // Rotated files are older than the current one.
  std::ranges::sort(files, {}, [&](const fs::path& file) { return fs::last_write_time(file, ignored); });

  std::vector<protocol::LogLine> lines;
  std::vector<std::pair<std::chrono::system_clock::time_point, std::size_t>> order;  // equal times keep their order
  for (const fs::path& file : files) {
    auto read = files::read_file(file);
    if (!read) return fail(failure_of(read.error()));
    std::istringstream stream(*std::move(read));
    std::chrono::system_clock::time_point time{};
    for (std::string text; std::getline(stream, text);) {
      lines.push_back(protocol::parse_log_line(source_of(file), text, time));
      time = lines.back().time;
      order.emplace_back(time, order.size());
    }
  }
  std::ranges::sort(order);
  std::vector<protocol::control::Logs::Answer> newest;
  for (std::size_t i = order.size() - std::min(order.size(), count); i < order.size(); ++i)
    newest.push_back(protocol::row_of(lines[order[i].second]));
  return newest;
}

}  // namespace epic::cli
