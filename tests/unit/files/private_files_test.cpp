#include "files/private_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "support/temp_dir.hpp"

using namespace epic::files;
using epic::test::TempDir;
namespace fs = std::filesystem;

namespace {

struct OpenUmask {
  mode_t before = ::umask(0);
  ~OpenUmask() { ::umask(before); }
};

unsigned mode_of(const fs::path& path) {
  struct stat status{};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 0777u;
}

template <class T>
Refusal refusal_of(const std::expected<T, Refusal>& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

}  // namespace

TEST_CASE("private files: whatever the umask, what is made is its owner's alone", "[files]") {
  const TempDir root;
  const OpenUmask open;
  const fs::path directory = root.path() / "state";
  REQUIRE(make_directory(directory).has_value());
  REQUIRE(open_file(directory / "created", Use::create).has_value());
  REQUIRE(write_file(directory / "written", "x").has_value());
  REQUIRE(replace_file(directory / "replaced", "x").has_value());
  REQUIRE(secure_file(directory / "for_a_library", Missing::created).has_value());
  REQUIRE(copy_into("/proc/self/exe", directory / "copied").has_value());
  CHECK(mode_of(directory) == 0700);
  for (const auto& entry : fs::directory_iterator(directory)) {
    CAPTURE(entry.path());
    CHECK(mode_of(entry.path()) == 0600);
  }
}

TEST_CASE("private files: what is more open is tightened", "[files]") {
  const TempDir root;
  const fs::path directory = root.path() / "state";
  fs::create_directory(directory);
  fs::create_directory(directory / "logs");
  std::ofstream(directory / "logs" / "a") << "x";
  for (const char* name : {"", "logs", "logs/a"}) fs::permissions(directory / name, fs::perms(0777));
  fs::create_symlink("a", directory / "logs" / "latest");
  REQUIRE(secure_tree(directory, "logs/latest").has_value());
  CHECK(mode_of(directory) == 0700);
  CHECK(mode_of(directory / "logs") == 0700);
  CHECK(mode_of(directory / "logs" / "a") == 0700);

  fs::create_directories(directory / "machines" / "b");
  fs::create_symlink("b", directory / "machines" / "link");
  for (const char* name : {"machines", "machines/b"}) fs::permissions(directory / name, fs::perms(0777));
  CHECK_FALSE(secure_tree(directory, "logs/latest").has_value());
  fs::permissions(directory / "machines", fs::perms(0777));
  REQUIRE(secure_tree(directory, "logs/latest", {"machines"}).has_value());
  CHECK(mode_of(directory / "machines") == 0700);
}

TEST_CASE("private files: a symbolic link is followed nowhere", "[files]") {
  const TempDir root;
  fs::create_directory(root.path() / "victim");
  std::ofstream(root.path() / "victim" / "keep") << "precious";
  const fs::path directory = root.path() / "state";
  fs::create_directory(directory);
  fs::create_symlink(root.path() / "victim", directory / "run");
  fs::create_symlink(root.path() / "victim" / "keep", directory / "count");

  CHECK(refusal_of(make_directory(directory / "run")).message.find("symbolic link") != std::string::npos);
  CHECK(refusal_of(Directory::open(directory / "run")).message.find("symbolic link") != std::string::npos);
  for (const Use use : {Use::read, Use::write, Use::create, Use::replace})
    CHECK(refusal_of(open_file(directory / "count", use)).message.find("symbolic link") != std::string::npos);
  CHECK_FALSE(secure_file(directory / "count", Missing::created).has_value());
  CHECK_FALSE(refuse_link(directory / "count").has_value());
  CHECK_FALSE(secure_tree(directory, "logs/latest").has_value());

  const auto own = Directory::open(directory);
  REQUIRE(own.has_value());
  own->remove_tree("run");
  own->remove_files();
  CHECK(fs::exists(root.path() / "victim" / "keep"));
  REQUIRE(replace_file(root.path() / "state" / "count", "1").has_value());
  CHECK(read_file(root.path() / "victim" / "keep") == "precious");
}

TEST_CASE("private files: a FIFO or a directory where a file should be is refused at once", "[files]") {
  const TempDir root;
  REQUIRE(::mkfifo((root.path() / "fifo").c_str(), 0600) == 0);
  fs::create_directory(root.path() / "directory");
  for (const Use use : {Use::read, Use::write, Use::create}) {
    CHECK(refusal_of(open_file(root.path() / "fifo", use)).message.find("not a regular file") != std::string::npos);
    CHECK_FALSE(open_file(root.path() / "directory", use).has_value());
  }
}

TEST_CASE("private files: what belongs to another user is refused, with what to do about it", "[files]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  const TempDir root;
  constexpr uid_t kNobody = 65534;
  fs::create_directory(root.path() / "theirs");
  std::ofstream(root.path() / "file") << "x";
  for (const char* name : {"theirs", "file"}) REQUIRE(::chown((root.path() / name).c_str(), kNobody, kNobody) == 0);
  CHECK(refusal_of(make_directory(root.path() / "theirs")).hint.find("mv -n ") != std::string::npos);
  CHECK(refusal_of(open_file(root.path() / "file", Use::create)).message.find("belongs to user 65534") !=
        std::string::npos);
  CHECK_FALSE(secure_tree(root.path(), "none").has_value());
}

TEST_CASE("private files: what a library would trust beside a file is its owner's, and a file", "[files]") {
  const TempDir root;
  const fs::path file = root.path() / "monday";
  const fs::path log = root.path() / "monday-log";
  CHECK(refuse_strangers(file, {"-log"}).has_value());
  std::ofstream(file) << "x";
  CHECK(refuse_strangers(file, {"-log"}).has_value());
  REQUIRE(::mkfifo(log.c_str(), 0600) == 0);
  CHECK(refuse_strangers(file, {}).has_value());
  CHECK(refusal_of(refuse_strangers(file, {"-log"})).message.find("not a regular file") != std::string::npos);
  fs::remove(log);
  fs::create_symlink("elsewhere", log);
  CHECK(refusal_of(refuse_strangers(file, {"-log"})).message.find("symbolic link") != std::string::npos);
  fs::remove(log);
  std::ofstream(log) << "x";
  CHECK(refuse_strangers(file, {"-log"}) == Beside::is_trusted);
  for (const mode_t open_to_others : {0777U, 01777U, 0775U}) {
    REQUIRE(::chmod(root.path().c_str(), open_to_others) == 0);
    CHECK(refusal_of(refuse_strangers(file, {"-log"})).message.find("where other users may") != std::string::npos);
    CHECK(refuse_strangers(file, {"-index"}) == Beside::is_nothing);
  }
  REQUIRE(::chmod(root.path().c_str(), 0755) == 0);
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  constexpr uid_t kNobody = 65534;
  REQUIRE(::chown(log.c_str(), kNobody, kNobody) == 0);
  CHECK(refusal_of(refuse_strangers(file, {"-log"})).message.find("belongs to user 65534") != std::string::npos);
  REQUIRE(::chown(file.c_str(), kNobody, kNobody) == 0);
  CHECK(refuse_strangers(file, {"-log"}).has_value());
}

TEST_CASE("private files: what is removed through a directory is its own, whatever has its name now", "[files]") {
  const TempDir root;
  const fs::path directory = root.path() / "state";
  REQUIRE(make_directory(directory).has_value());
  REQUIRE(write_file(directory / "lock", "mine").has_value());
  const auto own = Directory::open(directory);
  REQUIRE(own.has_value());
  const auto identity = identify(directory / "lock");
  REQUIRE(identity.has_value());
  CHECK(own->is_in_place());

  fs::rename(directory, root.path() / "moved");
  REQUIRE(make_directory(directory).has_value());
  REQUIRE(write_file(directory / "lock", "another's").has_value());
  CHECK_FALSE(own->is_in_place());
  own->remove("lock");
  remove_if_same(directory / "lock", *identity);
  CHECK_FALSE(fs::exists(root.path() / "moved" / "lock"));
  CHECK(read_file(directory / "lock") == "another's");
}

TEST_CASE("private files: the advice to move something away names a place where nothing is", "[files]") {
  const TempDir root;
  const fs::path path = root.path() / "state";
  fs::create_directory(path);
  const auto hint = [&] { return refusal_of(open_file(path, Use::read)).hint; };
  CHECK_THAT(hint(), Catch::Contains("'" + path.string() + ".old'"));
  std::ofstream(path.string() + ".old") << "of last time";
  CHECK_THAT(hint(), Catch::Contains("'" + path.string() + ".old-2'"));
  fs::create_symlink("nowhere", path.string() + ".old-2");
  CHECK_THAT(hint(), Catch::Contains("'" + path.string() + ".old-3'"));
}
