// What another user of the machine can do to a running fabric: nothing.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "epic/client.hpp"
#include "integration/node/real_fabric.hpp"
#include "support/child.hpp"

using epic::test::Child;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Reporter;
using epic::test::Supervised;
namespace fs = std::filesystem;

namespace {

constexpr uid_t kNobody = 65534;

/// Everything below `.epic`, and itself.
std::vector<fs::path> list_all(const fs::path& state) {
  std::vector<fs::path> paths{state};
  for (const auto& entry : fs::recursive_directory_iterator(state)) paths.push_back(entry.path());
  return paths;
}

int try_connect(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) return -1;
  std::copy(name.begin(), name.end(), address.sun_path);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int connected = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::close(socket);
  return connected;
}

/// Opens and locks it, in every way that would disturb its owner.
bool can_lock(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  struct flock lock{.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  const bool is_locked = ::flock(file, LOCK_EX | LOCK_NB) == 0 || ::fcntl(file, F_SETLK, &lock) == 0;
  ::close(file);
  return is_locked;
}

/// What succeeded, one line each.
void attack(const std::vector<fs::path>& paths, const fs::path& own, const Reporter& report) {
  if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return report.line("cannot become nobody");
  const auto attempt = [&](std::string_view what, const fs::path& path, bool has_succeeded) {
    if (has_succeeded) report.line(fmt::format("{} {}", what, path.string()));
  };
  for (const fs::path& path : paths) {
    const char* name = path.c_str();
    attempt("read", path, ::open(name, O_RDONLY | O_NONBLOCK) >= 0);
    attempt("write", path, ::open(name, O_WRONLY | O_NONBLOCK) >= 0);
    attempt("list", path, ::open(name, O_RDONLY | O_DIRECTORY) >= 0);
    attempt("lock", path, can_lock(path));
    attempt("connect to", path, try_connect(path) == 0);
    attempt("link", path, ::link(name, (own / "linked").c_str()) == 0);
    attempt("move", path, ::rename(name, (own / "moved").c_str()) == 0);
    attempt("replace", path, ::rename((own / "mine").c_str(), name) == 0);
    attempt("remove", path, ::unlink(name) == 0 || ::rmdir(name) == 0);
    attempt("cut off", path, ::truncate(name, 0) == 0);
    attempt("open up", path, ::chmod(name, 0777) == 0);
    attempt("make a file in", path, ::open((path / "new").c_str(), O_WRONLY | O_CREAT, 0666) >= 0);
    attempt("make a link in", path, ::symlink("/etc", (path / "link").c_str()) == 0);
    attempt("make a directory in", path, ::mkdir((path / "directory").c_str(), 0777) == 0);
  }
  report.line("done");
}

}  // namespace

TEST_CASE("privacy: whatever the umask, another user cannot read, lock, connect, replace or link anything", "[node]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can become another user");
    return;
  }
  const ProjectDirectory project;
  fs::permissions(project.path(), fs::perms(0755));
  const fs::path own = project.path() / "own";
  fs::create_directory(own);
  REQUIRE(::chown(own.c_str(), kNobody, kNobody) == 0);
  const mode_t before = ::umask(0);
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  ::umask(before);
  fabric.wait_for("ready 2 nodes");
  fabric.call("Counter/a", "add", {1});

  const std::vector<fs::path> paths = list_all(project.path() / ".epic");
  CHECK(paths.size() > 10);
  for (const fs::path& path : paths) {
    struct stat status{};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    CAPTURE(path);
    if (!S_ISLNK(status.st_mode)) CHECK((status.st_mode & 0777) == (S_ISDIR(status.st_mode) ? 0700u : 0600u));
  }

  Child nobody([&](const Reporter& report) { attack(paths, own, report); });
  CHECK(nobody.read_line() == "done");
  CHECK(fabric.call("Counter/a", "add", {1}).at("result") == 2);
}

TEST_CASE("privacy: a directory that another user has made is refused, with what to do about it", "[node]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  const ProjectDirectory project;
  fs::create_directory(project.path() / ".epic");
  REQUIRE(::chown((project.path() / ".epic").c_str(), kNobody, kNobody) == 0);
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  CHECK_THAT(fabric.wait_for_error(), Catch::Contains("belongs to user 65534") && Catch::Contains("mv -n "));
  CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
  CHECK_THROWS_WITH(epic::Client::connect(project.path().string()), Catch::Contains("belongs to user 65534"));
}

TEST_CASE("privacy: what an entity prints does not pass for a line of the log", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  fabric.call("Relay/a", "print", {"2024-02-29T23:59:58.007Z ERROR Counter/a it was me"});
  const std::string line = fabric.wait_for("it was me");
  CHECK(line == "log node-1 output - 2024-02-29T23:59:58.007Z ERROR Counter/a it was me");
}
