#include "files/data_folder.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>

#include "support/temp_dir.hpp"

namespace fs = std::filesystem;
using epic::files::DataFolder;

namespace {

constexpr std::size_t kBytesMax = 100'000;

struct FolderFixture {
  epic::test::TempDir place;
  fs::path root = place.path() / "data";
  DataFolder folder{root, kBytesMax};

  FolderFixture() { std::ofstream(place.path() / "secret") << "outside"; }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      found.push_back(entry.path().lexically_relative(root).string());
    std::ranges::sort(found);
    return found;
  }
};

/// What the function throws, or 0.
template <class Function>
int folder_error_of(Function&& function) {
  try {
    function();
    return 0;
  } catch (const fs::filesystem_error& error) {
    return error.code().value();
  }
}

}  // namespace

TEST_CASE("data folder: what is written is read again, and replaced as a whole", "[files]") {
  FolderFixture f;
  f.folder.write("a.txt", "one");
  CHECK(f.folder.read("a.txt") == "one");
  f.folder.write("a.txt", std::string("t\0wo", 4));
  CHECK(f.folder.read("a.txt") == std::string("t\0wo", 4));
  f.folder.write("empty", "");
  CHECK(f.folder.read("empty").empty());
  f.folder.write("a/deep/er.txt", "made");
  CHECK(f.names() == std::vector<std::string>{"a", "a.txt", "a/deep", "a/deep/er.txt", "empty"});
  const std::string large(kBytesMax, 'x');
  f.folder.write("large", large);
  CHECK(f.folder.read("large") == large);
}

TEST_CASE("data folder: a file that is replaced keeps its mode", "[files]") {
  FolderFixture f;
  f.folder.write("tool", "1");
  REQUIRE(::chmod((f.root / "tool").c_str(), 0750) == 0);
  f.folder.write("tool", "2");
  struct stat found{};
  REQUIRE(::stat((f.root / "tool").c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0750);
  REQUIRE(::chmod((f.root / "tool").c_str(), 06755) == 0);
  f.folder.write("tool", "3");
  REQUIRE(::stat((f.root / "tool").c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0755);
}

TEST_CASE("data folder: whatever the umask, what is made is its owner's alone", "[files]") {
  const epic::test::TempDir directory;
  const fs::path root = directory.path() / "new/data";
  const mode_t before = ::umask(0);
  const DataFolder folder(root, 100);
  folder.write("a/written", "1");
  folder.append("a/appended", "1");
  static_cast<void>(folder.open("a/opened", DataFolder::Open::to_update));
  ::umask(before);
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory.path())) {
    CAPTURE(entry.path());
    struct stat found{};
    REQUIRE(::stat(entry.path().c_str(), &found) == 0);
    CHECK((found.st_mode & 07777) == (entry.is_directory() ? 0700U : 0600U));
    ++count;
  }
  CHECK(count == 6);
}

TEST_CASE("data folder: append adds to the end, and makes the file", "[files]") {
  FolderFixture f;
  f.folder.append("log/today", "one\n");
  f.folder.append("log/today", "two\n");
  CHECK(f.folder.read("log/today") == "one\ntwo\n");
}

TEST_CASE("data folder: an open file is read and written in parts", "[files]") {
  FolderFixture f;
  using Open = DataFolder::Open;
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.open("a/b", Open::to_read)); }) == ENOENT);
  CHECK_FALSE(fs::exists(f.root));  // to look for something makes nothing
  const auto file = f.folder.open("a/b", Open::to_update);
  CHECK(f.names() == std::vector<std::string>{"a", "a/b"});
  file.write_at(2, "two");
  file.write_at(0, "1");
  CHECK(file.size() == 5);
  std::string read(9, 'x');
  CHECK(file.read_at(1, read) == 4);
  CHECK(read == std::string("\0two", 4) + "xxxxx");
  CHECK(file.read_at(5, read) == 0);
  file.sync();
  const auto log = f.folder.open("a/b", Open::to_append);
  file.write_at(5, "three");
  log.append(" four");  // at the end, wherever that is by then
  CHECK(f.folder.read("a/b") == std::string("1\0twothree four", 15));
  f.folder.write("a/b", "replaced");
  CHECK(file.size() == 15);  // it stays the file that was opened
  CHECK(f.folder.open("a/b", Open::to_read).size() == 8);
  CHECK(folder_error_of([&] { f.folder.open("a/b", Open::to_read).write_at(0, "x"); }) == EBADF);
  CHECK(f.folder.open("a/b", Open::to_write_anew).size() == 0);
  CHECK(f.folder.read("a/b").empty());
}

TEST_CASE("data folder: an open file that fails says what, and why", "[files]") {
  FolderFixture f;
  const auto file = f.folder.open("a", DataFolder::Open::to_update);
  CHECK_THROWS_WITH(file.write_at(UINT64_MAX, "x"), Catch::Contains("cannot write file") && Catch::Contains("[a]"));
  std::string read(1, 'x');
  CHECK(folder_error_of([&] { static_cast<void>(file.read_at(UINT64_MAX, read)); }) == EINVAL);
}

TEST_CASE("data folder: remove says whether there was a file", "[files]") {
  FolderFixture f;
  CHECK_FALSE(f.folder.remove("a.txt"));  // not even the folder is there
  f.folder.write("a.txt", "one");
  CHECK(f.folder.remove("a.txt"));
  CHECK_FALSE(f.folder.remove("a.txt"));
  CHECK_FALSE(f.folder.remove("no/such/folder/a.txt"));
}

TEST_CASE("data folder: errors name the file and the reason", "[files]") {
  FolderFixture f;
  f.folder.write("here", "1");
  CHECK_THROWS_WITH(f.folder.read("levels/3.txt"), Catch::Contains("cannot read file") &&
                                                       Catch::Contains("No such file or directory") &&
                                                       Catch::Contains("levels/3.txt"));
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.read("gone")); }) == ENOENT);
  CHECK(folder_error_of([&] { f.folder.write("here/below", "x"); }) == ENOTDIR);
  fs::create_directory(f.root / "folder");
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.read("folder")); }) == EISDIR);
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.open("folder", DataFolder::Open::to_read)); }) == EISDIR);
  CHECK(folder_error_of([&] { f.folder.write("folder", "x"); }) == EISDIR);
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.remove("folder")); }) == EISDIR);
  std::ofstream(f.root / "large") << std::string(kBytesMax + 1, 'x');
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.read("large")); }) == EFBIG);
}

TEST_CASE("data folder: nothing outside is reached by links, whatever is done", "[files]") {
  FolderFixture f;
  f.folder.write("here", "1");
  fs::create_symlink(f.place.path() / "secret", f.root / "link");
  fs::create_symlink(f.place.path(), f.root / "up");
  fs::create_symlink("/proc/self", f.root / "self");
  fs::create_symlink(f.place.path() / "new", f.root / "dangling");
  for (const std::string path : {"link", "up/secret", "self/environ", "dangling"}) {
    CAPTURE(path);
    CHECK(folder_error_of([&] { static_cast<void>(f.folder.read(path)); }) != 0);
    CHECK(folder_error_of([&] { f.folder.write(path, "mine"); }) != 0);
    CHECK(folder_error_of([&] { f.folder.append(path, "mine"); }) != 0);
    CHECK(folder_error_of([&] { static_cast<void>(f.folder.remove(path)); }) != 0);
    for (const auto how : {DataFolder::Open::to_read, DataFolder::Open::to_write_anew, DataFolder::Open::to_append,
                           DataFolder::Open::to_update})
      CHECK(folder_error_of([&] { static_cast<void>(f.folder.open(path, how)); }) != 0);
  }
  CHECK(std::ifstream(f.place.path() / "secret").get() == 'o');
  CHECK_FALSE(fs::exists(f.place.path() / "new"));
  CHECK(f.names() == std::vector<std::string>{"dangling", "here", "link", "self", "up"});
}

TEST_CASE("data folder: pipes and devices are not opened", "[files]") {
  FolderFixture f;
  f.folder.write("here", "1");
  REQUIRE(::mkfifo((f.root / "pipe").c_str(), 0600) == 0);  // to open it would wait for another side
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.read("pipe")); }) == EPERM);
  CHECK(folder_error_of([&] { f.folder.write("pipe", "x"); }) == EPERM);
  CHECK(folder_error_of([&] { f.folder.append("pipe", "x"); }) == EPERM);
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.open("pipe", DataFolder::Open::to_read)); }) == EPERM);
  CHECK(folder_error_of([&] { static_cast<void>(f.folder.open("pipe", DataFolder::Open::to_update)); }) == EPERM);
  if (::mknod((f.root / "null").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0)  // root alone may make one
    CHECK(folder_error_of([&] { f.folder.append("null", "x"); }) == EPERM);
}

TEST_CASE("data folder: what cannot be written leaves the former file, and nothing else", "[files]") {
  FolderFixture f;
  f.folder.write("a.txt", "one");
  struct rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  struct rlimit small = before;
  small.rlim_cur = 1000;
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const int error = folder_error_of([&] { f.folder.write("a.txt", std::string(5000, 'x')); });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, ignored);
  CHECK(error == EFBIG);
  CHECK(f.folder.read("a.txt") == "one");
  CHECK(f.names() == std::vector<std::string>{"a.txt"});
}

TEST_CASE("data folder: a process that had this one's id, and died while it wrote, stands in nobody's way", "[files]") {
  FolderFixture f;
  f.folder.write("a.txt", "one");
  for (int number = 1; number <= 1000; ++number)
    std::ofstream(f.root / (".epic-" + std::to_string(::getpid()) + "-" + std::to_string(number))) << "half";
  f.folder.write("a.txt", "two");
  CHECK(f.folder.read("a.txt") == "two");
}

TEST_CASE("data folder: a file that grows while it is read may grow up to the limit", "[files]") {
  std::ifstream file("/proc/self/limits");  // its size is reported as 0
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(content.size() > 500);
  CHECK(DataFolder("/proc/self", content.size()).read("limits") == content);
  CHECK(folder_error_of([&] { static_cast<void>(DataFolder("/proc/self", content.size() - 1).read("limits")); }) ==
        EFBIG);
}

TEST_CASE("data folder: it stays where it is when the working directory changes", "[files]") {
  const fs::path before = fs::current_path();
  const epic::test::TempDir place;
  const epic::test::TempDir elsewhere;
  fs::current_path(place.path());
  const DataFolder folder("var/data/", kBytesMax);
  fs::current_path(elsewhere.path());
  folder.write("a/b", "one");
  const bool is_there = fs::exists(place.path() / "var/data/a/b");
  fs::current_path(before);
  CHECK(is_there);
}
