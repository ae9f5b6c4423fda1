// What `epic simulate` asks of a test program, and how it prints what that reports. The program is a shell script.

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "cli/transcript.hpp"

using Catch::Matchers::Contains;
using epic::cli_test::Answer;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace {

void write_project(Transcript& transcript) {
  transcript.write("epic.toml", epic::cli_test::kManifest);
  transcript.write("CMakeLists.txt",
                   "cmake_minimum_required(VERSION 3.25)\n"
                   "project(arena NONE)\n"
                   "file(WRITE ${CMAKE_BINARY_DIR}/epic-test-programs.txt \"" EPIC_SOURCE_DIR
                   "/tests/cli/fake_scenarios.sh\\n\")\n"
                   "add_custom_target(epic-test-programs)\n");
}

/// PATH for the programs of one test.
class SearchPath {
 public:
  explicit SearchPath(const std::string& path) : before_(std::getenv("PATH")) { ::setenv("PATH", path.c_str(), 1); }
  ~SearchPath() { ::setenv("PATH", before_.c_str(), 1); }
  SearchPath(const SearchPath&) = delete;
  SearchPath& operator=(const SearchPath&) = delete;

 private:
  std::string before_;
};

}  // namespace

TEST_CASE("simulate: the first seed that fails is printed with faults, history and the command that replays it",
          "[cli]") {
  Transcript transcript("simulate_failure");
  write_project(transcript);
  CHECK(transcript.run({"simulate", "MOVED"}).exit_code == 1);
  CHECK(transcript.run({"simulate", "bank: money is moved, not made", "--seed", "7", "--faults", "5,2"}).exit_code ==
        1);
  CHECK(transcript.run({"simulate", "moved", "--seed", "7", "--faults", "2"}).exit_code == 0);
  CHECK(transcript.run({"simulate", "moved", "--seed", "6", "-v"}).exit_code == 0);
  transcript.check();
}

TEST_CASE("simulate: --shrink leaves out faults until none can be spared", "[cli]") {
  Transcript transcript("simulate_shrink");
  write_project(transcript);
  CHECK(transcript.run({"simulate", "moved", "--shrink"}).exit_code == 1);
  transcript.check();
}

TEST_CASE("simulate: a seed that crashes has failed, also if its program goes with it", "[cli]") {
  Transcript transcript("simulate_crash");
  write_project(transcript);
  CHECK(transcript.run({"simulate", "chat", "--shrink"}).exit_code == 1);
  transcript.check();
}

TEST_CASE("simulate: a seed that takes another course when it is run again is reported", "[cli]") {
  Transcript transcript("unused");
  write_project(transcript);
  const auto answer = transcript.run_quietly({"simulate", "dice", "--shrink"});
  CHECK(answer.exit_code == 1);
  CHECK_THAT(answer.err, Contains("warning: seed 1 takes another course when it is run again (the die shows a six)"));
  CHECK_THAT(answer.err, Contains("seed 1 fails without any of its 8 faults, found in 2 runs"));
  CHECK_THAT(answer.out, Contains("epic simulate 'dice: differs each time' --seed 1 --faults none"));
}

TEST_CASE("simulate: scenarios that pass are counted, and their seeds can be chosen", "[cli]") {
  Transcript transcript("unused");
  write_project(transcript);
  const auto all = transcript.run_quietly({"simulate", "opens"});
  CHECK(all.exit_code == 0);
  CHECK_THAT(all.err, Contains("bank: opens passed 1000 seeds in ") && Contains("8 h simulated"));
  CHECK_THAT(transcript.run_quietly({"simulate", "opens", "--seeds", "2"}).err, Contains("passed 2 seeds"));

  const auto json = transcript.run_quietly({"simulate", "moved", "--seed", "5", "--seeds", "9", "-o", "jsonl"});
  CHECK(json.exit_code == 1);
  const auto row = boost::json::parse(json.out).as_object();
  CHECK(row.at("first_seed") == 5);
  CHECK(row.at("seeds") == 3);
  CHECK(row.at("result") == "failed");
  CHECK(row.at("seed").at("seed") == 7);
  CHECK(row.at("seed").at("faults").as_array().size() == 8);
  CHECK(row.at("replay") == "epic simulate 'bank: money is moved, not made' --seed 7");
}

TEST_CASE("simulate: names and numbers are checked", "[cli]") {
  Transcript transcript("simulate_words");
  write_project(transcript);
  CHECK(transcript.run({"simulate", "--list"}).exit_code == 0);
  CHECK(transcript.run({"simulate", "ledger"}).exit_code == 3);
  CHECK(transcript.run({"simulate", "chat: crashs"}).exit_code == 3);
  CHECK(transcript.run({"simulate", "--faults", "1"}).exit_code == 2);
  CHECK(transcript.run({"simulate", "--seed", "7", "--faults", "1,,2"}).exit_code == 2);
  CHECK(transcript.run({"simulate", "--seeds", "0"}).exit_code == 2);
  CHECK(transcript.run({"__complete", "--", "simulate", "bank"}).exit_code == 0);
  transcript.check();
}

TEST_CASE("simulate: a terminal shows how far the seeds are", "[cli]") {
  Transcript transcript("unused");
  write_project(transcript);
  const std::string shown = transcript.run_on_terminal({"simulate", "slow", "--seeds", "2"});
  CHECK_THAT(shown, Contains("Simulating slow: takes its time: 1 of 2 seeds, 30.0 s simulated, "));
}

TEST_CASE("simulate: however it ends, it leaves no files", "[cli]") {
  Transcript transcript("unused");
  write_project(transcript);
  // Its parent is epic, which is killed in the middle of a seed.
  const auto answer = transcript.run_quietly({"simulate", "kills"});
  CHECK(answer.exit_code == 128 + SIGKILL);
  for (const auto& entry : fs::directory_iterator(transcript.directory() / "build"))
    CHECK_FALSE(entry.path().filename().string().starts_with("epic-simulate"));
}

TEST_CASE("simulate: --gdb runs the seed that fails under gdb", "[cli]") {
  Transcript transcript("simulate_gdb");
  write_project(transcript);
  transcript.write("bin/gdb", "#!/bin/sh\necho \"$EPIC_SIMULATE\"\nprintf '%s\\n' \"$@\"\nexit 9\n");
  fs::permissions(transcript.directory() / "bin/gdb", fs::perms::owner_all);
  {
    const SearchPath path((transcript.directory() / "bin").string() + ":" + std::getenv("PATH"));
    CHECK(transcript.run({"simulate", "moved", "-j", "1", "--shrink", "--gdb"}).exit_code == 9);
    CHECK(transcript.run({"simulate", "moved", "--seed", "6", "--gdb"}).exit_code == 9);
  }
  const SearchPath path("/nowhere");
  CHECK(transcript.run({"simulate", "moved", "--gdb"}).exit_code == 1);
  transcript.check();
}
