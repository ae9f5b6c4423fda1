#include <catch2/catch.hpp>
#include <map>

#include "cli/commands/table.hpp"
#include "cli/project/manifest.hpp"
#include "cli/project/subprocess.hpp"
#include "cli/transcript.hpp"

using Catch::Matchers::Contains;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace {

/// The pages by file name, without roff's escapes.
std::map<std::string, std::string> pages_in(const fs::path& directory) {
  std::map<std::string, std::string> pages;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::string text = epic::cli_test::read_text(entry.path());
    for (std::size_t at = 0; (at = text.find("\\-", at)) != std::string::npos;) text.erase(at, 1);
    pages[entry.path().filename().string()] = std::move(text);
  }
  return pages;
}

std::string page_of(std::string_view path) {
  std::string name = "epic-" + std::string(path);
  std::ranges::replace(name, ' ', '-');
  return name;
}

}  // namespace

TEST_CASE("manual: every command and option has its place, and so has every setting", "[cli]") {
  Transcript transcript("unused");
  fs::create_directory(transcript.directory() / "manual");
  REQUIRE(transcript.run_quietly({"__manual", "manual"}).exit_code == 0);
  auto pages = pages_in(transcript.directory() / "manual");

  std::size_t count = 2;  // epic(1) and epic.toml(5)
  for (const auto* command : epic::cli::command_table().commands) {
    if (command->is_hidden) continue;
    ++count;
    const std::string page = page_of(command->path);
    CHECK_THAT(pages["epic.1"], Contains("\\fB" + page + "\\fR(1)\n" + std::string(command->summary).substr(0, 10)));
    for (const auto& option : command->options)
      CHECK_THAT(pages[page + ".1"], Contains("\\fB--" + std::string(option.name) + "\\fR"));
  }
  CHECK(pages.size() == count);
  for (const auto& setting : epic::cli::list_settings())
    CHECK_THAT(pages["epic.toml.5"],
               Contains(".TP\n\\fB" + setting.name + "\\fR\n") && Contains(".SS [" + setting.section + "]\n"));
}

TEST_CASE("manual: man has nothing to say against it", "[cli]") {
  Transcript transcript("unused");
  fs::create_directory(transcript.directory() / "manual");
  REQUIRE(transcript.run_quietly({"__manual", "manual"}).exit_code == 0);

  // The pages have no date, so that a build can be repeated.
  const char* script =
      "cd \"$0\" || exit 1\n"
      "if command -v mandoc >&2; then mandoc -T lint -W warning *.? | grep -v 'missing date'; fi\n"
      "if command -v man >&2; then for page in epic.1 epic-run.1 epic.toml.5; do\n"
      "  LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z $page 2>&1 >/dev/null\n"
      "done; fi; true\n";
  const auto end = epic::cli::run_subprocess(
      {.program = "sh", .arguments = {"-c", script, (transcript.directory() / "manual").string()}});
  REQUIRE(end);
  CHECK(end->out == "");
}

TEST_CASE("manual: no directory, no pages", "[cli]") {
  Transcript transcript("unused");
  const auto answer = transcript.run_quietly({"__manual", "nowhere"});
  CHECK(answer.exit_code == 1);
  CHECK_THAT(answer.err, Contains("name a directory that exists"));
}
