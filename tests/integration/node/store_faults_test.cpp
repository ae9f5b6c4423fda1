// Real nodes on a store that cannot write, or that returns bytes other than those written.

#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/small_file_system.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::SmallFileSystem;
using epic::test::Supervised;
using probe::Counter;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

/// A fabric with only its store on a small file system.
struct Cramped {
  explicit Cramped(const char* size = "2m") {
    fs::create_directory(directory());
    disk.emplace(directory(), size);
    if (!disk->is_mounted()) WARN("skipped: this user may not mount a small file system");
  }
  [[nodiscard]] fs::path directory() const { return project.path() / "disk"; }
  [[nodiscard]] auto nodes(std::uint16_t count) const {
    return real_nodes("probe", count, [path = directory()](auto& options) {
      options.store.location = path / "state.sqlite";
      options.fabric.heartbeat = 20ms;
    });
  }
  ProjectDirectory project;
  std::optional<SmallFileSystem> disk;
};

/// More than a full disk's last block may have room for.
constexpr int kLarge = 20'000;

bool is_blocked(const json::value& node) { return node.at("store") == "blocked"; }

/// Runs SQL on the store of a fabric that is down.
void run_sql(const fs::path& path, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  char* error = nullptr;
  sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error);
  const std::string text = error == nullptr ? "" : error;
  sqlite3_free(error);
  sqlite3_close(database);
  REQUIRE(text == "");
}

/// Another program that reads the store at one moment. What is written later stays in the log, and in the log alone.
class Reading {
 public:
  explicit Reading(const fs::path& store) {
    REQUIRE(sqlite3_open_v2(store.c_str(), &database_, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_exec(database_, "BEGIN; SELECT count(*) FROM meta", nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { sqlite3_close(database_); }

 private:
  sqlite3* database_ = nullptr;
};

/// What run_supervisor_detached() returns, and the errors that it reports.
struct Started {
  int exit_code = -1;
  std::string errors;
  std::chrono::steady_clock::duration took{};
};

Started start_detached(const ProjectDirectory& project,
                       const std::function<void(epic::cluster::SupervisorOptions&)>& change) {
  const auto begun_at = std::chrono::steady_clock::now();
  const fs::path errors = project.path() / "errors";
  const pid_t starter = ::fork();
  REQUIRE(starter >= 0);
  if (starter == 0) {
    epic::cluster::SupervisorOptions options = epic::test::fake_options(project, "unused");
    change(options);
    options.on_error = [&](const epic::cluster::SupervisorError& error) {
      std::ofstream(errors) << error.message << error.hint;
    };
    ::_exit(epic::cluster::run_supervisor_detached(options));
  }
  int status = 0;
  REQUIRE(::waitpid(starter, &status, 0) == starter);
  std::ifstream file(errors);
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .errors = std::string(std::istreambuf_iterator<char>(file), {}),
          .took = std::chrono::steady_clock::now() - begun_at};
}

/// Damages a page that neither a node nor a supervisor reads before it has opened the store.
void damage_owners(const fs::path& store) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(store.c_str(), &database) == SQLITE_OK);
  sqlite3_exec(database, "PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr, nullptr);
  int root = 0;
  sqlite3_exec(
      database, "SELECT rootpage FROM sqlite_schema WHERE name = 'shards'",
      [](void* result, int, char** columns, char**) {
        *static_cast<int*>(result) = std::stoi(columns[0]);
        return 0;
      },
      &root, nullptr);
  sqlite3_close(database);
  REQUIRE(root > 1);
  std::fstream file(store, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp((root - 1) * 2048);
  file << std::string(16, '\xff');
}

void stop_saved(Supervised& fabric) {
  fabric.signal(SIGTERM);
  REQUIRE(fabric.wait_for_end() == epic::cluster::kExitOk);
}

}  // namespace

TEST_CASE("store faults: the call that meets a full disk is told so, and later ones at once", "[node][threads]") {
  const Cramped cramped;
  if (!cramped.disk->is_mounted()) return;
  Supervised fabric{cramped.project, "unused", cramped.nodes(1)};
  fabric.wait_for("ready 1 nodes");
  fabric.call("Hoard/a", "put", {1});
  cramped.disk->fill();

  const auto first =
      fabric.ask_in_vain("call", {{"entity", "Hoard/a"}, {"method", "put"}, {"args", {kLarge}}, {"timeout_ms", 500}});
  CHECK_THAT(first.message, Catch::Contains("disk is full") && Catch::Contains("has run"));
  CHECK(first.detail.error == "timeout");
  const auto second = fabric.ask_in_vain("call", {{"entity", "Counter/b"}, {"method", "add"}, {"args", {1}}});
  CHECK_THAT(second.message, Catch::Contains("disk is full"));
  CHECK(second.detail.error == "unavailable");
  const json::object ps = fabric.wait_for_ps("the node says that it is blocked",
                                             [](const json::object& now) { return is_blocked(now.at("nodes").at(0)); });
  CHECK_THAT(ps.at("nodes").at(0).at("store_reason").as_string().c_str(), Catch::Contains("disk is full"));

  cramped.disk->make_room();
  const auto freed_at = std::chrono::steady_clock::now();
  fabric.wait_for("saving works again");
  CHECK(std::chrono::steady_clock::now() - freed_at < 2s);  // half a second, plus slack for a busy machine
  CHECK(fabric.call("Hoard/a", "weigh").at("result") == kLarge);
  CHECK(fabric.call("Counter/b", "add", {1}).at("result") == 1);
  fabric.wait_for_ps("the node says that it can save",
                     [](const json::object& now) { return !is_blocked(now.at("nodes").at(0)); });
}

TEST_CASE("store faults: a stop that could not save everything says so, and fails", "[node]") {
  const Cramped cramped;
  if (!cramped.disk->is_mounted()) return;
  Supervised fabric{cramped.project, "unused", [&](auto& options) {
                      cramped.nodes(1)(options);
                      options.fabric.grace = 500ms;
                    }};
  fabric.wait_for("ready 1 nodes");
  fabric.call("Diary/d", "write", {"dear"});  // saved at intervals
  cramped.disk->fill();
  const auto events = fabric.stream("stop");
  CHECK(events.back().at("unsaved") == json::array{"node-1"});
  CHECK_THAT(fabric.wait_for_error(), Catch::Contains("node-1 ended before everything was saved"));
  CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
}

TEST_CASE("store faults: a node that is killed while the disk is full loses nothing that was acknowledged", "[node]") {
  const Cramped cramped;
  if (!cramped.disk->is_mounted()) return;
  constexpr int kAcknowledged = 10;
  {
    Supervised fabric{cramped.project, "unused", cramped.nodes(2)};
    fabric.wait_for("ready 2 nodes");
    for (int i = 1; i <= kAcknowledged; ++i) fabric.call("Hoard/a", "put", {i});
    cramped.disk->fill();
    static_cast<void>(fabric.ask_in_vain(
        "call", {{"entity", "Hoard/a"}, {"method", "put"}, {"args", {kLarge}}, {"timeout_ms", 200}}));
    for (const pid_t pid : fabric.list_node_pids()) ::kill(pid, SIGKILL);
    fabric.wait_for_ps("both are started again", [](const json::object& ps) {
      return ps.at("nodes").at(0).at("restarts") != 0 && ps.at("nodes").at(1).at("restarts") != 0;
    });
    fabric.signal(SIGKILL);
  }
  cramped.disk->make_room();
  cramped.project.wait_until_nothing_is_left();
  Supervised fabric{cramped.project, "unused", cramped.nodes(2)};
  fabric.wait_for("ready 2 nodes");
  const auto found = fabric.call("Hoard/a", "weigh").at("result").to_number<int>();
  CHECK((found == kAcknowledged || found == kLarge));
}

TEST_CASE("store faults: who starts a fabric detached over a full disk hears what it waits for", "[node]") {
  const Cramped cramped;
  if (!cramped.disk->is_mounted()) return;
  {
    Supervised fabric{cramped.project, "unused", cramped.nodes(1)};
    fabric.wait_for("ready 1 nodes");
    fabric.signal(SIGKILL);  // leaves the store's log, so that the next fabric can open it without new space
    CHECK(fabric.wait_for_end() == 128 + SIGKILL);
  }
  cramped.project.wait_until_nothing_is_left();
  cramped.disk->fill();
  const pid_t starter = ::fork();
  REQUIRE(starter >= 0);
  if (starter == 0) {
    epic::cluster::SupervisorOptions options = epic::test::fake_options(cramped.project, "unused");
    cramped.nodes(1)(options);
    bool has_heard = false;
    options.on_log = [&](const epic::protocol::LogLine& line) {
      if (line.message.find("disk is full") != std::string::npos && !std::exchange(has_heard, true))
        cramped.disk->make_room();
    };
    ::_exit(epic::cluster::run_supervisor_detached(options) == epic::cluster::kExitOk && has_heard ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(starter, &status, 0) == starter);
  CHECK(WEXITSTATUS(status) == 0);
  auto client = epic::cluster::ControlClient::connect(cramped.project.path() / ".epic" / "control.sock");
  REQUIRE(client.has_value());
  CHECK(client->stream("stop", json::object{}, [](const auto&) { return true; }).has_value());
  cramped.project.wait_until_nothing_is_left();
}

TEST_CASE("store faults: an error of the disk on commit ends the node, which comes back with what was saved",
          "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  for (int i = 0; i < 5; ++i) fabric.call("Counter/a", "add", {1});
  const rlimit none{.rlim_cur = 4096, .rlim_max = 4096};  // a write beyond it fails, as on a broken disk
  REQUIRE(::prlimit(fabric.list_node_pids().at(0), RLIMIT_FSIZE, &none, nullptr) == 0);
  static_cast<void>(fabric.ask_in_vain("call", {{"entity", "Counter/a"}, {"method", "add"}, {"args", {1}}}));
  fabric.wait_for("exited with code 74");
  CHECK(fabric.call("Counter/a", "get").at("result") == 5);
  CHECK(fabric.call("Counter/a", "add", {1}).at("result") == 6);
}

TEST_CASE("store faults: a damaged row concerns its entity only, and events say why", "[node]") {
  const ProjectDirectory project;
  {
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    for (int i = 0; i < 10; ++i) fabric.call("Counter/" + std::to_string(i), "add", {i});
    stop_saved(fabric);
  }
  run_sql(project.path() / ".epic" / "state.sqlite", "UPDATE snapshots SET bytes = zeroblob(24) WHERE key = '3'");
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const auto failed = fabric.ask_in_vain("call", {{"entity", "Counter/3"}, {"method", "add"}, {"args", {1}}});
  CHECK_THAT(failed.message, Catch::Contains("Counter/3") && Catch::Contains("checksum"));
  CHECK(failed.detail.error == "activation_failed");
  for (int i = 0; i < 10; ++i)
    if (i != 3) CHECK(fabric.call("Counter/" + std::to_string(i), "get").at("result") == i);
  const auto events = fabric.stream("events", {{"entity", "Counter/3"}});
  CHECK(events.back().at("what") == "failed");
  CHECK_THAT(events.back().at("why").as_string().c_str(), Catch::Contains("checksum"));
}

TEST_CASE("store faults: a damaged page concerns the entities that lie on it", "[node]") {
  const ProjectDirectory project;
  const fs::path store = project.path() / ".epic" / "state.sqlite";
  {
    Supervised fabric{project, "unused", real_nodes("probe", 1)};
    fabric.wait_for("ready 1 nodes");
    for (int i = 0; i < 20; ++i) fabric.call("Hoard/" + std::to_string(i), "put", {900});
    stop_saved(fabric);
  }
  run_sql(store, "PRAGMA wal_checkpoint(TRUNCATE)");
  std::fstream file(store, std::ios::in | std::ios::out | std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)), {});
  const std::size_t at = content.rfind(std::string(800, 'g'));  // a leaf page with several of them
  REQUIRE(at != std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at / 2048 * 2048));
  file << std::string(16, '\xff');  // the page's header
  file.close();

  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  int failed = 0;
  for (int i = 0; i < 20; ++i) {
    auto client = epic::cluster::ControlClient::connect(project.path() / ".epic" / "control.sock");
    REQUIRE(client.has_value());
    const auto answer =
        client->request("call", json::object{{"entity", "Hoard/" + std::to_string(i)}, {"method", "weigh"}});
    if (answer) continue;
    ++failed;
    CHECK_THAT(answer.error().message, Catch::Contains("malformed") && Catch::Contains("state.sqlite"));
  }
  CHECK(failed > 0);
  CHECK(failed < 20);
  CHECK(fabric.ask("ps").at("nodes").at(0).at("restarts") == 0);
}

TEST_CASE("store faults: a store that cannot be written is refused with its path and the way out", "[node]") {
  const Cramped cramped;
  if (!cramped.disk->is_mounted()) return;
  {
    Supervised fabric{cramped.project, "unused", cramped.nodes(1)};
    fabric.wait_for("ready 1 nodes");
    stop_saved(fabric);
  }
  REQUIRE(cramped.disk->make_read_only());
  Supervised fabric{cramped.project, "unused", cramped.nodes(2)};
  CHECK_THAT(fabric.wait_for_error(), Catch::Contains("Read-only file system") &&
                                          Catch::Contains(cramped.directory().string()) &&
                                          Catch::Contains("must be writable"));
  CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
}

TEST_CASE(
    "store faults: after a file of the store is deleted nothing is acknowledged, and nothing acknowledged is lost",
    "[node]") {
  for (const char* deleted : {"state.sqlite-wal", "state.sqlite-shm", "state.sqlite.lock"}) {
    CAPTURE(deleted);
    const ProjectDirectory project;
    {
      Supervised fabric{project, "unused", real_nodes("probe", 2)};
      fabric.wait_for("ready 2 nodes");
      for (int i = 0; i < 10; ++i) fabric.call(fmt::format("Counter/{}", i), "add", {1});
      fs::remove(project.path() / ".epic" / deleted);
      fabric.wait_for_ps("both nodes say that they cannot save", [](const json::object& ps) {
        return is_blocked(ps.at("nodes").at(0)) && is_blocked(ps.at("nodes").at(1));
      });
      for (int i = 0; i < 10; ++i)
        CHECK_THAT(
            fabric.ask_in_vain("call", {{"entity", fmt::format("Counter/{}", i)}, {"method", "add"}, {"args", {1}}})
                .message,
            Catch::Contains(deleted) && Catch::Contains("epic stop"));
      fabric.signal(SIGKILL);
    }
    project.wait_until_nothing_is_left();
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    for (int i = 0; i < 10; ++i) CHECK(fabric.call(fmt::format("Counter/{}", i), "get").at("result") == 1);
  }
}

TEST_CASE("store faults: a log that is cut off ends the fabric, and no other runs before a person accepts the loss",
          "[node]") {
  const ProjectDirectory project;
  const fs::path store = project.path() / ".epic" / "state.sqlite";
  const auto check_reason = [](const std::string& text) {
    CHECK_THAT(text, Catch::Contains("state.sqlite-wal' was cut off at 0 bytes") &&
                         Catch::Contains("epic snapshot verify --accept"));
  };
  {
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    const Reading reading(store);
    for (int i = 0; i < 10; ++i) fabric.call(fmt::format("Counter/{}", i), "add", {1});
    fs::resize_file(store.string() + "-wal", 0);
    check_reason(fabric.wait_for_error());
    CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
  }
  project.wait_until_nothing_is_left();
  for (const auto after : {epic::cluster::AfterSetup::keep_running, epic::cluster::AfterSetup::exit}) {
    Supervised fabric{project, "unused",
                      real_nodes("probe", 2, [after](auto& options) { options.after_setup = after; })};
    check_reason(fabric.wait_for_error());
    CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
    CHECK_FALSE(epic::test::holds(fabric.heard(), "ready 2 nodes"));
  }
  const Started started = start_detached(project, real_nodes("probe", 2));
  CHECK(started.exit_code == epic::cluster::kExitFailed);
  check_reason(started.errors);
  CHECK(started.took < 20s);

  REQUIRE(epic::storage::lift_mark({.kind = "sqlite", .location = store}).has_value());
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  fabric.call("Counter/new", "add", {1});
}

TEST_CASE("store faults: a log that is cut off after everything has died is noticed as well", "[node]") {
  const ProjectDirectory project;
  const fs::path store = project.path() / ".epic" / "state.sqlite";
  {
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    const Reading reading(store);
    for (int i = 0; i < 10; ++i) fabric.call(fmt::format("Counter/{}", i), "add", {1});
    const auto nodes = fabric.list_node_pids();
    fabric.signal(SIGKILL);
    CHECK(fabric.wait_for_end() == 128 + SIGKILL);
    for (const pid_t pid : nodes) epic::test::wait_for_death(pid);
  }
  project.wait_until_nothing_is_left();
  fs::resize_file(store.string() + "-wal", 0);
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  CHECK_THAT(fabric.wait_for_error(),
             Catch::Contains("state.sqlite-wal' has 0 bytes") && Catch::Contains("when the fabric died"));
  CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
}

TEST_CASE("store faults: a store with damage that shows only when shards are given ends every kind of start at once",
          "[node]") {
  const ProjectDirectory project;
  const fs::path store = project.path() / ".epic" / "state.sqlite";
  {
    Supervised fabric{project, "unused", real_nodes("probe", 1)};
    fabric.wait_for("ready 1 nodes");
    stop_saved(fabric);
  }
  damage_owners(store);
  const auto check_reason = [&](const std::string& text) {
    CHECK_THAT(text, Catch::Contains("malformed") && Catch::Contains(store.string()));
  };
  for (const auto after : {epic::cluster::AfterSetup::keep_running, epic::cluster::AfterSetup::exit}) {
    Supervised fabric{project, "unused",
                      real_nodes("probe", 1, [after](auto& options) { options.after_setup = after; })};
    check_reason(fabric.wait_for_error());
    CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
  }
  const Started started = start_detached(project, real_nodes("probe", 1));
  CHECK(started.exit_code == epic::cluster::kExitFailed);
  check_reason(started.errors);
  CHECK(started.took < 20s);
}

TEST_CASE("store faults: a store that is moved away and back is used again", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  fabric.call("Counter/a", "add", {1});
  const fs::path store = project.path() / ".epic" / "state.sqlite";
  fs::rename(store, project.path() / "away");
  CHECK_THAT(fabric.wait_for("nothing can be saved"), Catch::Contains("move the former file back"));
  fs::rename(project.path() / "away", store);
  fabric.wait_for("saving works again");
  CHECK(fabric.call("Counter/a", "add", {1}).at("result") == 2);
}

TEST_CASE("store faults: a fabric whose directory is moved away stops, and leaves what took its place alone",
          "[node]") {
  const ProjectDirectory project;
  Supervised first{project, "unused", real_nodes("probe", 1)};
  first.wait_for("ready 1 nodes");
  first.call("Counter/a", "add", {1});
  fs::rename(project.path() / ".epic", project.path() / "moved");
  Supervised second{project, "unused", real_nodes("probe", 1)};
  second.wait_for("ready 1 nodes");
  CHECK_THAT(first.wait_for_error(), Catch::Contains("was moved away or deleted"));
  CHECK(first.wait_for_end() == epic::cluster::kExitFailed);
  CHECK(second.call("Counter/a", "add", {5}).at("result") == 5);
  CHECK(fs::exists(project.path() / ".epic" / "control.sock"));
  CHECK(fs::exists(project.path() / ".epic" / "run" / "node-1.sock"));
}
