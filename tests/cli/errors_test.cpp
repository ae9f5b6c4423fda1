#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "cli/transcript.hpp"

using epic::cli_test::Transcript;
namespace fs = std::filesystem;

TEST_CASE("errors: an unknown command or flag gets a suggestion and exit code 2", "[cli]") {
  Transcript transcript("errors_words");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"bild"},
                                                                                     {"qwertyuiop"},
                                                                                     {"--vebose", "help"},
                                                                                     {"build", "--relese"},
                                                                                     {"build", "now"},
                                                                                     {"new"},
                                                                                     {"help", "bild"},
                                                                                     {"--format", "jsn", "help"},
                                                                                     {"--color", "sometimes", "help"},
                                                                                     {"build", "--release", "--debug"},
                                                                                     {"completions", "fsh"},
                                                                                     {"-o"},
                                                                                     {"build", "-C"},
                                                                                     {"snapshot", "lst"},
                                                                                     {"snapshot", "rm"},
                                                                                     {"doctor", "-o"}})
    CHECK(transcript.run(words).exit_code == 2);
  transcript.check();
}

TEST_CASE("errors: epic new checks the name, the template and the directory before it creates anything", "[cli]") {
  Transcript transcript("errors_new");
  transcript.write("taken/file", "mine");
  CHECK(transcript.run({"new", "9lives"}).exit_code == 2);
  CHECK(transcript.run({"new", "a b"}).exit_code == 2);
  CHECK(transcript.run({"new", "below/arena"}).exit_code == 2);
  for (const char* target : {"off", "all", "ALL_BUILD", "preinstall", "RUN_TESTS", "zero_check", "x-notfound"})
    CHECK(transcript.run_quietly({"new", target}).exit_code == 2);
  CHECK(transcript.run({"new", "arena", "--template", "gmae"}).exit_code == 2);
  CHECK(transcript.run({"new", "arena", "--template", "nothing-like-it"}).exit_code == 2);
  CHECK(transcript.run({"new", "taken"}).exit_code == 1);
  CHECK(std::distance(fs::directory_iterator(transcript.directory()), {}) == 1);
  transcript.check();
}

TEST_CASE("errors: epic.toml is answered with line, column and the nearest key", "[cli]") {
  Transcript transcript("errors_manifest");
  const auto run_with = [&](std::string_view manifest) {
    transcript.write("epic.toml", manifest);
    CHECK(transcript.run({"build"}).exit_code == 2);
  };
  run_with("[project\nname = \"arena\"\n");
  run_with("[project]\nname = \"arena\"\n\n[fabric]\nnodse = 4\n");
  run_with("[project]\nname = \"arena\"\n\n[fabirc]\nnodes = 4\n");
  run_with("[project]\nname = \"arena\"\n\n[fabric]\nnodes = 0\n");
  run_with("[project]\nname = \"arena\"\n\n[fabric]\nnodes = \"four\"\n");
  run_with("[project]\nname = \"arena\"\n\n[fabric]\nstore = \"postgres\"\n");
  run_with("[project]\nname = \"arena\"\n\n[fabric]\ngrace = \"soon\"\n");
  run_with("[project]\nname = \"two words\"\n");
  run_with("project = \"arena\"\n");
  run_with("");
  transcript.check();
}

TEST_CASE("errors: outside a project, commands that need one say so", "[cli]") {
  Transcript transcript("errors_outside");
  CHECK(transcript.run({"build"}).exit_code == 2);
  CHECK(transcript.run({"-C", "nowhere", "build"}).exit_code == 2);
  for (const char* command : {"run", "stop", "ps", "logs", "ls"})
    CHECK(transcript.run_quietly({command}).exit_code == 2);
  transcript.check();
}

TEST_CASE("errors: the number of nodes is checked, wherever it comes from", "[cli]") {
  Transcript transcript("errors_nodes");
  transcript.write("epic.toml", "[project]\nname = \"arena\"\n");
  for (const char* nodes : {"0", "65", "-1", "four", "4x", "99999999999999999999"})
    CHECK(transcript.run({"run", "--nodes", nodes}).exit_code == 2);
  ::setenv("EPIC_NODES", "0", 1);
  CHECK(transcript.run({"run"}).exit_code == 2);
  ::unsetenv("EPIC_NODES");
  CHECK(transcript.run({"run", "--detach", "--exit-after-setup"}).exit_code == 2);
  transcript.check();
}

TEST_CASE("errors: a list of machines needs a fabric that others can join, and its secret", "[cli]") {
  Transcript transcript("errors_machines");
  const auto run_with = [&](std::string_view settings) {
    transcript.write("epic.toml", fmt::format("[project]\nname = \"arena\"\n{}", settings));
    CHECK(transcript.run({"run"}).exit_code == 2);
  };
  const std::string_view list = "[cluster]\nmachines = [\"127.0.0.1:1\"]\n";
  const std::string_view shared = "[fabric]\nstore = \"postgresql://localhost/arena\"\ncoordination = \"postgresql\"\n";
  run_with(list);
  run_with(fmt::format("{}{}", shared, list));
  transcript.write("secret", "the secret of the machines of this test\n");
  fs::permissions(transcript.directory() / "secret", fs::perms::owner_read | fs::perms::owner_write);
  run_with(fmt::format("{}{}secret_file = \"secret\"\n", shared, list));
  CHECK(transcript.run({"run", "--join"}).exit_code == 1);
  transcript.check();
}

TEST_CASE("errors: epic NAME runs a program epic-NAME on PATH, with its arguments and exit code", "[cli]") {
  Transcript transcript("unused");
  transcript.write("bin/epic-greet", "#!/bin/sh\necho \"$# $1 $2\"\nexit 7\n");
  fs::permissions(transcript.directory() / "bin/epic-greet", fs::perms::owner_all);
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", ((transcript.directory() / "bin").string() + ":" + before).c_str(), 1);
  const auto answer = transcript.run_quietly({"greet", "--loud", "you there"});
  ::setenv("PATH", before.c_str(), 1);
  CHECK(answer.out == "2 --loud you there\n");
  CHECK(answer.exit_code == 7);
}

TEST_CASE("errors: output that cannot be written is a failure", "[cli]") {
  Transcript transcript("unused");
  const std::string command = std::string(EPIC_BINARY) + " help > /dev/full 2>/dev/null";
  CHECK(WEXITSTATUS(std::system(command.c_str())) == 1);
}
