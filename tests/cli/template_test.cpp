// epic new with a template of the user's own, and the list of epic's.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "cli/transcript.hpp"

using epic::cli_test::kManifest;
using epic::cli_test::read_text;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace {

constexpr const char* kCMake = "project(@NAME@ CXX)\nfind_package(epic CONFIG REQUIRED)\n";

/// A directory that can serve as a template.
void write_template(Transcript& transcript, const fs::path& directory) {
  transcript.write(directory / "epic.toml", "[project]\nname = \"@NAME@\"\n");
  transcript.write(directory / "CMakeLists.txt", kCMake);
  transcript.write(directory / "src/@IDENTIFIER@.cpp", "namespace @IDENTIFIER@ {}  // @NAME@\n");
}

std::ptrdiff_t count_entries(const Transcript& transcript) {
  return std::distance(fs::directory_iterator(transcript.directory()), {});
}

}  // namespace

TEST_CASE("template: a project is made from a directory of the user's", "[cli]") {
  Transcript transcript("unused");
  write_template(transcript, "mine");
  transcript.write("mine/run.sh", "#!/bin/sh\n");
  fs::permissions(transcript.directory() / "mine/run.sh", fs::perms::owner_all);
  for (const char* left_out : {".git/HEAD", "build/old.so", ".epic/state", "src/.git/HEAD"})
    transcript.write(fs::path("mine") / left_out, "@NAME@");
  fs::create_symlink("build/x", transcript.directory() / "mine/compile_commands.json");

  const auto made = transcript.run_quietly({"new", "big-bank", "--template", "./mine/", "-o", "json"});
  INFO(made.err);
  REQUIRE(made.exit_code == 0);
  const auto listed = boost::json::parse(made.out);
  CHECK(listed.at("template") == "./mine/");
  CHECK(listed.at("files") == boost::json::array{"CMakeLists.txt", "epic.toml", "run.sh", "src/big_bank.cpp"});

  const fs::path project = transcript.directory() / "big-bank";
  CHECK(read_text(project / "epic.toml") == "[project]\nname = \"big-bank\"\n");
  CHECK(read_text(project / "src/big_bank.cpp") == "namespace big_bank {}  // big-bank\n");
  CHECK((fs::status(project / "run.sh").permissions() & fs::perms::owner_exec) != fs::perms::none);
  CHECK_FALSE(fs::exists(project / "build"));
  CHECK_FALSE(fs::exists(project / "src/.git"));

  CHECK(transcript.run_quietly({"new", "inner", "--template", "."}, "big-bank").exit_code == 0);
  CHECK(read_text(project / "inner/epic.toml") == "[project]\nname = \"big-bank\"\n");
}

TEST_CASE("template: what cannot serve as one is refused, and nothing is left behind", "[cli]") {
  Transcript transcript("new_template");
  transcript.write("templates/hello/epic.toml", kManifest);
  ::setenv("EPIC_TEMPLATES", (transcript.directory() / "templates").c_str(), 1);
  const auto refuse = [&](const std::string& directory, int exit_code) {
    CHECK(transcript.run({"new", "arena", "--template", directory}).exit_code == exit_code);
  };
  refuse("./nowhere", 2);
  transcript.write("file", "");
  refuse("./file", 2);
  fs::create_directory(transcript.directory() / "hello2");
  refuse("hello2", 2);
  refuse("./hello2", 1);
  transcript.write("no_cmake/epic.toml", kManifest);
  refuse("no_cmake/", 1);

  write_template(transcript, "linked");
  fs::create_symlink("/etc/passwd", transcript.directory() / "linked/src/secret");
  refuse("./linked", 1);
  write_template(transcript, "large");
  fs::resize_file(transcript.directory() / "large/CMakeLists.txt", 5 * 1024 * 1024);
  refuse("./large", 1);
  write_template(transcript, "many");
  for (int i = 0; i < 998; ++i) transcript.write("many/tests/" + std::to_string(i), "");
  refuse("./many", 1);
  write_template(transcript, "newer");
  transcript.write("newer/CMakeLists.txt", "find_package(epic 99.1 CONFIG REQUIRED)\n");
  refuse("./newer", 1);
  write_template(transcript, "newer_key");
  transcript.write("newer_key/epic.toml", "[project]\nname = \"@NAME@\"\n[teleport]\nrange = 7\n");
  refuse("./newer_key", 1);
  write_template(transcript, "twice");
  transcript.write("twice/src/arena.cpp", "");
  refuse("./twice", 1);
  CHECK(count_entries(transcript) == 10);  // what was made here, and nothing else
  ::unsetenv("EPIC_TEMPLATES");
  transcript.check();
}

TEST_CASE("template: a project that cannot be written leaves nothing behind", "[cli]") {
  Transcript transcript("unused");
  write_template(transcript, "mine");
  transcript.write("mine/" + std::string(200, 'a') + "@NAME@", "");  // a name of 264 characters
  const auto answer = transcript.run_quietly({"new", std::string(64, 'b'), "--template", "./mine"});
  CHECK(answer.exit_code == 1);
  CHECK(answer.err.contains("cannot be written"));
  CHECK(count_entries(transcript) == 1);
}

TEST_CASE("template: the list of epic's own has a line for each", "[cli]") {
  Transcript transcript("new_list");
  transcript.write("templates/hello/epic.toml", kManifest);
  transcript.write("templates/hello/README.md", "# hello\n\nSays hello,\nmore than once. Never more.\n\nAgain.\n");
  transcript.write("templates/bare/epic.toml", kManifest);
  transcript.write("templates/no_template/README.md", "Nothing.\n");
  ::setenv("EPIC_TEMPLATES", (transcript.directory() / "templates").c_str(), 1);
  transcript.run({"new", "--list"});
  transcript.run({"new", "--list", "-o", "json"});
  CHECK(transcript.run({"new", "--list", "arena"}).exit_code == 2);
  ::unsetenv("EPIC_TEMPLATES");
  transcript.check();

  for (const auto& entry : boost::json::parse(transcript.run_quietly({"new", "--list", "-o", "json"}).out).as_array())
    CHECK_FALSE(entry.at("summary").as_string().empty());
}
