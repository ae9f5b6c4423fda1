// Whose project epic runs, and what others may do to what it makes.

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "cli/transcript.hpp"

using epic::cli_test::kManifest;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace {

constexpr int kNothingSaved = 3;
constexpr uid_t kNobody = 65534;
const std::vector<std::string> kParts = {"epic.toml",     "CMakeLists.txt",        "build", "build/CMakeCache.txt",
                                         "build/modules", "build/modules/arena.so"};

void write_built_project(Transcript& transcript) {
  transcript.write("epic.toml", kManifest);
  transcript.write("CMakeLists.txt", "");
  transcript.write("build/CMakeCache.txt", "");
  transcript.write("build/modules/arena.so", "");
}

void check_refused(Transcript& transcript, const std::string& why) {
  for (const char* command : {"ls", "build", "run", "test"}) {
    const auto answer = transcript.run_quietly({command});
    CHECK(answer.exit_code == 1);
    CHECK_THAT(answer.err, Catch::Contains(why));
  }
}

}  // namespace

TEST_CASE("trust: a project that everyone may write to is refused, and one of a group is not", "[cli]") {
  Transcript transcript("unused");
  write_built_project(transcript);
  CHECK(transcript.run_quietly({"ls"}).exit_code == kNothingSaved);
  for (const std::string& part : kParts) {
    CAPTURE(part);
    const fs::path path = transcript.directory() / part;
    const fs::perms before = fs::status(path).permissions();
    REQUIRE(::chmod(path.c_str(), fs::is_directory(path) ? 01777 : 0666) == 0);
    check_refused(transcript, "chmod o-w ");
    REQUIRE(::chmod(path.c_str(), fs::is_directory(path) ? 02775 : 0664) == 0);
    CHECK(transcript.run_quietly({"ls"}).exit_code == kNothingSaved);
    fs::permissions(path, before);
  }
  REQUIRE(::chmod(transcript.directory().c_str(), 01777) == 0);
  check_refused(transcript, "chmod o-w ");
  REQUIRE(::chmod(transcript.directory().c_str(), 02775) == 0);
  CHECK(transcript.run_quietly({"ls"}).exit_code == kNothingSaved);
}

TEST_CASE("trust: a part of a project that a stranger has made is refused, unless its group may write", "[cli]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  Transcript transcript("unused");
  write_built_project(transcript);
  constexpr gid_t kGroup = 1234;
  REQUIRE(::chown(transcript.directory().c_str(), 0, kGroup) == 0);
  for (const std::string& part : kParts) {
    CAPTURE(part);
    const fs::path path = transcript.directory() / part;
    REQUIRE(::chown(path.c_str(), kNobody, kGroup) == 0);
    REQUIRE(::chmod(transcript.directory().c_str(), 0755) == 0);
    check_refused(transcript, "belongs to user 65534");
    REQUIRE(::chmod(transcript.directory().c_str(), 0775) == 0);
    CHECK(transcript.run_quietly({"ls"}).exit_code == kNothingSaved);
    REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
    check_refused(transcript, "belongs to user 65534");
    REQUIRE(::chown(path.c_str(), 0, 0) == 0);
  }
}

TEST_CASE("trust: a pipe in the place of a file is refused, and nothing waits for its other end", "[cli]") {
  for (const char* part : {"epic.toml", "CMakeLists.txt", "build/CMakeCache.txt"}) {
    CAPTURE(part);
    Transcript transcript("unused");
    write_built_project(transcript);
    fs::remove(transcript.directory() / part);
    REQUIRE(::mkfifo((transcript.directory() / part).c_str(), 0600) == 0);
    check_refused(transcript, "is not a file");
  }
}

TEST_CASE("trust: whatever the umask, a new project can be written by its owner alone", "[cli]") {
  Transcript transcript("unused");
  transcript.write("mine/epic.toml", "[project]\nname = \"@NAME@\"\n");
  transcript.write("mine/CMakeLists.txt", "project(@NAME@ CXX)\n");
  transcript.write("mine/src/a.cpp", "");
  REQUIRE(::chmod((transcript.directory() / "mine/src/a.cpp").c_str(), 06777) == 0);
  const mode_t before = ::umask(0);
  const auto made = transcript.run_quietly({"new", "arena", "--template", "./mine"});
  ::umask(before);
  REQUIRE(made.exit_code == 0);
  const fs::path project = transcript.directory() / "arena";
  const auto mode_of = [](const fs::path& path) {
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
  };
  CHECK(mode_of(project) == 0775);
  CHECK(mode_of(project / "src") == 0775);
  CHECK(mode_of(project / "src/a.cpp") == 0775);
  for (const auto& entry : fs::recursive_directory_iterator(project)) {
    CAPTURE(entry.path());
    CHECK((mode_of(entry.path()) & S_IWOTH) == 0);
  }
}
