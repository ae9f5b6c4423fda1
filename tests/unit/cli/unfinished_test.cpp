#include "cli/output/unfinished.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "cli/project/cmake.hpp"
#include "support/temp_dir.hpp"

using epic::cli::Existing;
using epic::cli::read_text;
using epic::cli::Unfinished;
using epic::test::TempDir;
namespace fs = std::filesystem;

namespace {

void write_into(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

Unfinished begin_at(const fs::path& target) {
  auto unfinished = Unfinished::begin(target);
  REQUIRE(unfinished.has_value());
  return *std::move(unfinished);
}

std::vector<std::string> names_below(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

/// What somebody else has put where the directory of an unfinished file is, or will be: a link to a file of ours.
void put_trap(const fs::path& directory, const fs::path& own) {
  fs::create_directory(directory);
  fs::create_symlink(own, directory / "made");
}

}  // namespace

TEST_CASE("unfinished: a directory that is there already is not used", "[cli]") {
  const TempDir root;
  const fs::path own = root.path() / "own";
  write_into(own, "mine");
  const fs::path target = root.path() / "target";
  const std::string guessed = fmt::format("target.{}.new", ::getpid());
  put_trap(root.path() / guessed, own);
  {
    Unfinished unfinished = begin_at(target);
    write_into(unfinished.path(), "made");
    CHECK(unfinished.move_to(target, Existing::refused) == 0);
  }
  CHECK(read_text(target) == "made");
  CHECK(read_text(own) == "mine");
  CHECK(names_below(root.path()) == std::vector<std::string>{"own", "target", guessed});
}

TEST_CASE("unfinished: whatever the umask, it is ours alone, and stays itself when its name is another's", "[cli]") {
  const TempDir root;
  const fs::path own = root.path() / "own";
  write_into(own, "mine");
  const fs::path target = root.path() / "target";
  const fs::path directory = fmt::format("{}.{}.new", target.string(), ::getpid());
  {
    const mode_t before = ::umask(0);
    Unfinished unfinished = begin_at(target);
    ::umask(before);
    CHECK((fs::status(directory).permissions() & fs::perms::all) == fs::perms::owner_all);
    fs::rename(directory, root.path() / "away");
    put_trap(directory, own);
    write_into(unfinished.path(), "made");
    CHECK(unfinished.move_to(target, Existing::refused) == 0);
  }
  CHECK(read_text(target) == "made");
  CHECK(read_text(own) == "mine");
  CHECK(fs::is_symlink(directory / "made"));
}

TEST_CASE("unfinished: what is not moved is removed with all that lies beside it, and what was there stays", "[cli]") {
  const TempDir root;
  const fs::path target = root.path() / "target";
  write_into(target, "former");
  {
    Unfinished unfinished = begin_at(target);
    fs::create_directories(unfinished.path() / "src");
    write_into(unfinished.path() / "src/file", "made");
    write_into(unfinished.path().string() + "-journal", "made");
    CHECK(unfinished.move_to(target, Existing::refused) == EEXIST);
  }
  CHECK(read_text(target) == "former");
  CHECK(names_below(root.path()) == std::vector<std::string>{"target"});
  CHECK(Unfinished::begin(root.path() / "nowhere/target").error() == ENOENT);
}
