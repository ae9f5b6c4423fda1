#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "cli/commands/table.hpp"
#include "cli/transcript.hpp"

using epic::cli_test::Transcript;

TEST_CASE("help: every command has a page, and each begins with an example", "[cli]") {
  for (const auto* command : epic::cli::command_table().commands) {
    if (command->is_hidden) continue;
    std::string name = "help_" + std::string(command->path);
    std::ranges::replace(name, ' ', '_');
    Transcript transcript(name);
    std::vector<std::string> words = {"help"};
    const std::string path(command->path);
    if (const auto blank = path.find(' '); blank != std::string::npos)
      words.insert(words.end(), {path.substr(0, blank), path.substr(blank + 1)});
    else
      words.push_back(path);
    const auto answer = transcript.run(words);
    CHECK(answer.exit_code == 0);
    CHECK(answer.out.find("\n\nExample\n") < answer.out.find("\n\nUsage\n"));
    transcript.check();
  }
}

TEST_CASE("help: without a word, with a flag, and for the exit codes", "[cli]") {
  Transcript transcript("help");
  const auto overview = transcript.run({});
  CHECK(transcript.run_quietly({"-h"}).out == overview.out);
  CHECK(transcript.run_quietly({"--help"}).out == overview.out);
  CHECK(transcript.run_quietly({"help"}).out == overview.out);
  transcript.run({"help", "exit-codes"});
  transcript.run({"help", "snapshot"});
  CHECK(transcript.run_quietly({"snapshot"}).out == transcript.run_quietly({"help", "snapshot"}).out);
  CHECK(transcript.run_quietly({"snapshot", "-h"}).out == transcript.run_quietly({"help", "snapshot"}).out);
  transcript.run({"--version"});
  transcript.check();
}

TEST_CASE("help: a command's page comes with -h on either side of its name", "[cli]") {
  Transcript transcript("unused");
  const auto page = transcript.run_quietly({"help", "build"}).out;
  CHECK(transcript.run_quietly({"build", "-h"}).out == page);
  CHECK(transcript.run_quietly({"--help", "build"}).out == page);
  CHECK(transcript.run_quietly({"build", "--debug", "--help"}).out == page);
}

TEST_CASE("help: the command table is there for programs", "[cli]") {
  Transcript transcript("unused");
  const auto before = transcript.run_quietly({"-o", "json", "help"});
  const auto after = transcript.run_quietly({"help", "--format=json"});
  CHECK(before.out == after.out);
  const auto table = boost::json::parse(after.out);
  REQUIRE(table.is_array());
  CHECK(table.as_array().front().at("command") == "new");
}

TEST_CASE("help: every page is there for programs", "[cli]") {
  Transcript transcript("unused");
  const auto page = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"-o", "json"});
    return boost::json::parse(transcript.run_quietly(std::move(words)).out);
  };
  CHECK(page({"help", "snapshot", "export"}).at("command") == "snapshot export");
  CHECK(page({"help", "schema"}).as_array().size() == 3);
  CHECK(page({"help", "config"}).as_array().front().at("section") == "project");
  CHECK(page({"help", "exit-codes"}).as_array().back().at("code") == 130);
}

TEST_CASE("help: colour comes when it is asked for, and never by itself in a pipe", "[cli]") {
  Transcript transcript("unused");
  CHECK(transcript.run_quietly({"help"}).out.find('\x1b') == std::string::npos);
  CHECK(transcript.run_quietly({"help", "--color", "always"}).out.find('\x1b') != std::string::npos);
  CHECK(transcript.run_quietly({"--color=always", "help"}).out.find('\x1b') != std::string::npos);
}
