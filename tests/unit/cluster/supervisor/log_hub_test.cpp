#include "cluster/supervisor/log_hub.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "support/store_fixtures.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::protocol::LogLevel;
using epic::protocol::LogLine;
using epic::storage::test::kNow;
using epic::storage::test::TempDir;
namespace fs = std::filesystem;

namespace {

LogLine line(std::string source, std::string message) {
  return {kNow, std::move(source), LogLevel::info, "", std::move(message)};
}

std::string read_file(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("log hub: each source has a file, and `latest` leads to those of the newest run", "[cluster]") {
  const TempDir logs;
  for (std::uint64_t run = 1; run <= 2; ++run) {
    const auto hub = LogHub::open(logs.path(), run, kNow + run * 1s);
    REQUIRE(hub.has_value());
    (*hub)->add(line("node-1", "run " + std::to_string(run)));
    (*hub)->add(line("supervisor", "hello\x1b[1m there"));
  }
  CHECK(read_file(logs.path() / "latest" / "node-1.log") == "2023-11-14T22:13:20.000Z INFO - run 2\n");
  CHECK(read_file(logs.path() / "latest" / "supervisor.log") == "2023-11-14T22:13:20.000Z INFO - hello there\n");
}

TEST_CASE("log hub: old runs are removed, and what is not a run stays", "[cluster]") {
  const TempDir logs;
  fs::create_directory(logs.path() / "mine");
  for (std::uint64_t run = 1; run <= LogHub::kRunsMax + 3; ++run)
    REQUIRE(LogHub::open(logs.path(), run, kNow + run * 1s).has_value());
  std::size_t runs = 0;
  for (const auto& entry : fs::directory_iterator(logs.path())) runs += entry.is_directory() && !entry.is_symlink();
  CHECK(runs == LogHub::kRunsMax + 1);
  CHECK(fs::exists(logs.path() / "mine"));
}

TEST_CASE("log hub: followers hear each line until they leave, also while they are told", "[cluster]") {
  const TempDir logs;
  const auto hub = LogHub::open(logs.path(), 1, kNow);
  REQUIRE(hub.has_value());
  std::vector<std::string> heard;
  std::uint64_t once = 0;
  once = (*hub)->follow([&](const LogLine& told) {
    heard.push_back("once " + told.message);
    (*hub)->unfollow(once);
  });
  (*hub)->follow([&](const LogLine& told) { heard.push_back(told.message); });
  (*hub)->add(line("node-1", "a"));
  (*hub)->add(line("node-1", "b"));
  CHECK(heard == std::vector<std::string>{"once a", "a", "b"});
}

TEST_CASE("log hub: a line that a follower brings about comes after its own, and followers may go meanwhile",
          "[cluster]") {
  LogHub hub;
  std::vector<std::string> heard;
  std::uint64_t leaves = 0;
  hub.follow([&](const LogLine& told) {
    heard.push_back("first " + told.message);
    if (told.message == "a") hub.add(line("supervisor", "b"));
    if (told.message == "b") hub.unfollow(leaves);
  });
  leaves = hub.follow([&](const LogLine& told) { heard.push_back("second " + told.message); });
  hub.follow([&](const LogLine& told) { heard.push_back("third " + told.message); });
  hub.add(line("node-1", "a"));
  CHECK(heard == std::vector<std::string>{"first a", "second a", "third a", "first b", "third b"});
}

TEST_CASE("log hub: the newest lines of a source are remembered, up to a bound", "[cluster]") {
  const TempDir logs;
  const auto hub = LogHub::open(logs.path(), 1, kNow);
  REQUIRE(hub.has_value());
  for (std::size_t i = 0; i < LogHub::kRecentLinesMax + 5; ++i)
    (*hub)->add(line(i % 2 ? "node-1" : "node-2", std::to_string(i)));
  CHECK((*hub)->list_recent("", SIZE_MAX).size() == LogHub::kRecentLinesMax);
  const auto two = (*hub)->list_recent("node-1", 2);
  REQUIRE(two.size() == 2);
  CHECK(two[0].message == "10001");
  CHECK(two[1].message == "10003");
}

TEST_CASE("log hub: an endless line is cut, and says so", "[cluster]") {
  const TempDir logs;
  const auto hub = LogHub::open(logs.path(), 1, kNow);
  REQUIRE(hub.has_value());
  (*hub)->add(line("node-1", std::string(LogHub::kLineBytesMax + 7, 'x')));
  CHECK((*hub)->list_recent("", 1).at(0).message.ends_with("x … (7 bytes more)"));
}

TEST_CASE("log hub: a file is cut over at its bound", "[cluster]") {
  const TempDir logs;
  const auto hub = LogHub::open(logs.path(), 1, kNow);
  REQUIRE(hub.has_value());
  const std::string wide(LogHub::kLineBytesMax, 'x');
  for (std::size_t bytes = 0; bytes <= LogHub::kFileBytesMax; bytes += wide.size()) (*hub)->add(line("node-1", wide));
  CHECK(fs::exists((*hub)->directory() / "node-1.1.log"));
  CHECK(fs::file_size((*hub)->file_of("node-1")) < LogHub::kFileBytesMax);
}

TEST_CASE("log hub: without files, lines are remembered and followed", "[cluster]") {
  LogHub hub;
  std::vector<std::string> heard;
  hub.follow([&](const LogLine& told) { heard.push_back(told.message); });
  hub.add(line("node-1", "a"));
  hub.keep(line("node-1", "b"));
  CHECK(heard == std::vector<std::string>{"a"});
  CHECK(hub.list_recent("node-1", 9).size() == 2);
  CHECK(hub.file_of("node-1").empty());
}
