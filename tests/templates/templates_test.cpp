// Every template: scaffolded, built, tested and run as its README says. Most of the time goes to the compiler: so there
// is one case for each where it can be. All are compiled for a debugger, which takes half as long, but for agents and
// those of hello, game and bare that are run.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "templates/project.hpp"

using Catch::Matchers::Contains;
using epic::templates_test::Answer;
using epic::templates_test::Project;

namespace {

/// Repeats a command of epic until its output has `wanted`, every tenth of a second, for at most half a minute.
std::string until(const Project& project, const std::vector<std::string>& words, std::string_view wanted) {
  Answer answer;
  for (int attempt = 0; attempt < 300; ++attempt) {
    answer = project.run("epic", words);
    if (answer.exit_code == 0 && answer.out.contains(wanted)) return answer.out;
    static_cast<void>(project.run("sleep", {"0.1"}));
  }
  FAIL("no " << wanted << " in " << answer.out << answer.err);
  return {};
}

/// Stands in for systemd: programs that are started meanwhile find its socket.
class ServiceManager {
 public:
  explicit ServiceManager(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof(address.sun_path));
    path.copy(address.sun_path, path.size());
    ::unlink(path.c_str());
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;
  ~ServiceManager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(socket_);
  }

  /// What it has been sent, in order.
  std::vector<std::string> take_messages() const {
    std::vector<std::string> messages;
    char buffer[256];
    for (ssize_t size = 0; (size = ::recv(socket_, buffer, sizeof(buffer), 0)) >= 0;)
      messages.emplace_back(buffer, static_cast<std::size_t>(size));
    return messages;
  }

 private:
  int socket_;
};

}  // namespace

TEST_CASE("hello: epic test reports which test failed and why", "[templates]") {
  const Project project("hello_failures", {"--template", "hello"});
  project.write("tests/more_test.cpp", R"(#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
TEST_CASE("more: adds up") { std::cout << "printed\n"; CHECK(1 + 1 == 3); }
TEST_CASE("more: aborts, [at once]") { std::abort(); }
TEST_CASE("more: exits") { std::exit(0); }
TEST_CASE("more: is hidden", "[.]") { std::abort(); }
)");
  project.must_run("epic", {"build", "--debug"});

  const auto failed = project.run("epic", {"test"});
  CHECK(failed.exit_code == 1);
  CHECK_THAT(failed.out, Contains("FAILED more: adds up\nprinted\n"
                                  "tests/more_test.cpp:4: FAILED\n  CHECK( 1 + 1 == 3 )\nwith\n  2 == 3\n"));
  CHECK_THAT(failed.out, Contains("FAILED more: aborts, [at once]") && Contains("SIGABRT"));
  CHECK_THAT(failed.out, Contains("FAILED more: exits (the test program exited with code 0)"));
  CHECK_THAT(failed.err, Contains("3 of 7 tests failed"));
  CHECK_THAT(project.must_run("epic", {"test", "COUNTER"}).err, Contains("4 tests passed"));
  CHECK(project.must_run("epic", {"test", "--list", "more"}).out ==
        "more: adds up\nmore: aborts, [at once]\nmore: exits\n");

  const auto unknown = project.run("epic", {"test", "barrel"});
  CHECK(unknown.exit_code == 3);
  CHECK_THAT(unknown.err, Contains("no test's name contains \"barrel\"") && Contains("counter: survives a crash"));

  project.write("tests/more_test.cpp", "#error more_test is compiled\n");
  const auto broken = project.run("epic", {"test"});
  CHECK(broken.exit_code == 5);
  CHECK_THAT(broken.err, Contains("more_test is compiled"));
}

TEST_CASE(
    "hello: its tests pass, with epic test and with CMake alone, and the counter survives a restart of the fabric",
    "[templates]") {
  const Project project("hello_project", {"--template", "hello"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("4 tests passed"));
  CHECK_THAT(project.must_run("cmake", {"--build", "build", "--target", "check"}).out, Contains("100% tests passed"));

  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Counter/hello", "add", "2"}).out == "2\n");
  project.must_run("epic", {"stop"});

  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Counter/hello", "add", "3"}).out == "5\n");
}

TEST_CASE("game: its tests pass, and four nodes play the opening match once, keep the score, and get an added class",
          "[templates]") {
  const Project project("game_project", {"--template", "game"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("11 tests passed"));
  CHECK_THAT(project.must_run("epic", {"simulate", "--seeds", "100"}).err, Contains("passed 100 seeds"));

  const auto first = project.must_run("epic", {"run", "--nodes", "4", "--exit-after-setup"});
  CHECK_THAT(first.out + first.err, Contains("New high score for player Bob: Slayer of armoured cylinders: 21"));
  const ServiceManager service_manager((project.directory() / "notify").string());
  const auto second = project.must_run("epic", {"run", "--nodes", "4", "--exit-after-setup"});
  CHECK(service_manager.take_messages() == std::vector<std::string>{"READY=1", "STOPPING=1"});
  CHECK_THAT(second.out + second.err,
             Contains("High score of player Bob: Slayer of armoured cylinders, set earlier: 21"));

  project.must_run("epic", {"add", "entity", "Boss"});  // to the list that is there
  CHECK_THAT(project.must_run("epic", {"test", "boss"}).err, Contains("1 test passed"));

  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Player/Bob", "get_score"}).out == "21\n");
  CHECK(project.must_run("epic", {"call", "Boss/first", "add", "2"}).out == "2\n");
  CHECK(
      project.must_run("epic", {"call", "Match/rematch", "play", "Player/Ada", R"(["Barrel/30", "Barrel/31"])"}).out ==
      "2\n");
}

TEST_CASE(
    "ledger: its tests pass, and each audit is right, whatever node is killed, until money is made out of nothing",
    "[templates]") {
  const Project project("ledger_project", {"--template", "ledger"});
  project.must_run("epic", {"build", "--debug"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("12 tests passed"));
  CHECK_THAT(project.must_run("epic", {"simulate", "--seeds", "100"}).err, Contains("passed 100 seeds"));
  project.must_run("epic", {"run", "--nodes", "4", "--detach"});
  const auto audit = [&](std::string_view wanted) {
    return boost::json::parse(until(project, {"call", "Bank/main", "audit", "-o", "jsonl"}, wanted))
        .at("result")
        .as_object();
  };

  // Another teller brings it back; epic inspect does not.
  const std::string teller = until(project, {"inspect", "Teller/1", "-o", "jsonl"}, "\"live\":true");
  project.must_run("epic", {"kill", boost::json::parse(teller).at("node").as_string().c_str()});
  until(project, {"inspect", "Teller/1", "-o", "jsonl"}, "\"activation\":\"crashed\"");
  for (const char* node : {"node-1", "node-2", "node-3", "node-4"}) {
    static_cast<void>(project.run("epic", {"kill", node}));  // unless it is still being restarted
    CHECK(audit("\"issued\":5000000,").at("is_right").as_bool());
  }
  for (const char* name : {"Teller/1", "Teller/2", "Teller/3", "Teller/4"})
    project.must_run("epic", {"call", name, "work", "0", "null"});
  CHECK(audit("\"under_way\":0,").at("is_right").as_bool());
  CHECK(project.must_run("epic", {"outbox", "list"}).out.empty());

  CHECK(project.must_run("epic", {"call", "Bank/main", "open", "Account/alice", "10000"}).out == "true\n");
  until(project, {"call", "Account/alice", "get_balance"}, "10000");
  CHECK_THAT(project.run("epic", {"call", "Account/alice", "transfer", "Account/1", "10001"}).err,
             Contains("Account/alice has 10000 cents, too few to send 10001"));
  CHECK(project.must_run("epic", {"call", "Account/alice", "transfer", "Account/nobody", "500"}).out == "9500\n");
  const std::string dead = until(project, {"outbox", "list"}, "Account/nobody was never opened");
  CHECK(audit("\"under_way\":500,").at("is_right").as_bool());
  const std::string id = dead.substr(0, dead.find('\t'));
  project.must_run("epic", {"outbox", "drop", id, "--yes"});
  CHECK(project.must_run("epic", {"call", "Account/alice", "refund", id, "500"}).out == "true\n");
  CHECK(project.must_run("epic", {"call", "Account/alice", "refund", id, "500"}).out == "false\n");
  CHECK(audit("\"under_way\":0,").at("is_right").as_bool());

  project.must_run("epic", {"call", "Account/alice", "transfer", "Account/nobody", "700"});
  until(project, {"outbox", "list"}, "Account/nobody was never opened");
  CHECK(project.must_run("epic", {"call", "Bank/main", "open", "Account/nobody", "0"}).out == "true\n");
  until(project, {"inspect", "Account/nobody", "-o", "jsonl"}, "\"status\":\"open\"");
  project.must_run("epic", {"outbox", "retry", "Account/nobody"});
  until(project, {"call", "Account/nobody", "get_balance"}, "700");
  CHECK(audit("\"under_way\":0,").at("is_right").as_bool());

  project.must_run("epic", {"call", "Account/1", "deposit", "100", "1"});
  CHECK_FALSE(audit("\"under_way\":-100,").at("is_right").as_bool());
}

TEST_CASE("chat: its tests pass, and all that is said arrives once, whatever node is killed, and a new start finds it",
          "[templates]") {
  const Project project("chat_project", {"--template", "chat"});
  project.must_run("epic", {"build", "--debug"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("19 tests passed"));
  CHECK_THAT(project.must_run("epic", {"simulate", "--seeds", "100"}).err, Contains("passed 100 seeds"));
  project.must_run("epic", {"run", "--nodes", "4", "--detach"});
  const auto count = [&](std::string_view wanted) {
    const std::string line = until(project, {"call", "Party/demo", "count", "-o", "jsonl"}, wanted);
    return boost::json::parse(line).at("result").as_object();
  };

  count("\"is_right\":true");
  for (const char* node : {"node-1", "node-2", "node-3", "node-4"}) {
    static_cast<void>(project.run("epic", {"kill", node}));  // unless it is still being restarted
    CHECK(count("\"left\":").at("is_right").as_bool());
  }
  until(project, {"call", "Party/demo", "go_on", "0"}, "");
  const auto end = count("\"under_way\":0,");
  CHECK(end.at("is_right").as_bool());
  CHECK(end.at("posts").as_int64() > 0);
  CHECK(end.at("received") == end.at("posts").as_int64() * 12);
  CHECK(project.must_run("epic", {"outbox", "list"}).out.empty());

  CHECK(project.must_run("epic", {"call", "User/ann", "join", "Room/hall"}).out == "true\n");
  for (int time = 0; time < 2; ++time)
    project.must_run("epic", {"call", "User/ann", "say", "Room/hall", "\"hello\"", "--idempotency-key", "1"});
  until(project, {"call", "Feed/ann", "get_unread"}, "1");
  project.must_run("epic", {"call", "Presence/ann", "beat"});
  CHECK_THAT(project.must_run("epic", {"call", "Presence/ann", "get_status"}).out, Contains("online"));
  const std::string presence = project.must_run("epic", {"inspect", "Presence/ann", "-o", "jsonl"}).out;
  project.must_run("epic", {"kill", boost::json::parse(presence).at("node").as_string().c_str()});
  until(project, {"call", "Presence/ann", "get_status"}, "unknown");

  project.must_run("epic", {"stop"});
  project.must_run("epic", {"run", "--nodes", "4", "--detach"});
  const std::string history = until(project, {"call", "Room/hall", "get_history", "9", "-o", "jsonl"}, "\"result\"");
  const auto posts = boost::json::parse(history).at("result").as_array();
  REQUIRE(posts.size() == 1);
  CHECK(posts[0].at("text") == "hello");
}

TEST_CASE("agents: its tests pass, and the world is the same on one node, and on four that are killed", "[templates]") {
  const Project project("agents_project", {"--template", "agents"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("10 tests passed"));
  CHECK_THAT(project.must_run("epic", {"simulate", "--seeds", "100"}).err, Contains("passed 100 seeds"));
  const auto tally_at = [&](const char* step) {
    return until(project, {"call", "World/main", "run_to", step, "-o", "jsonl"}, "\"result\"");
  };
  const auto digest_of = [](const std::string& line) {
    return boost::json::serialize(boost::json::parse(line).at("result").at("digest"));
  };
  project.must_run("epic", {"run", "--nodes", "1", "--detach"});
  const std::string alone = digest_of(tally_at("400"));
  project.must_run("epic", {"stop"});
  std::filesystem::remove_all(project.directory() / ".epic");

  project.must_run("epic", {"run", "--nodes", "4", "--detach"});
  static_cast<void>(project.run("epic", {"call", "World/main", "run_to", "400", "--timeout", "100ms"}));
  for (const char* node : {"node-2", "node-3"}) project.must_run("epic", {"kill", node});
  CHECK(digest_of(tally_at("400")) == alone);
  until(project, {"call", "World/main", "draw", "world.bmp"}, "");
  CHECK(std::filesystem::file_size(project.directory() / "data/world.bmp") == 54 + 128 * 128 * 3);

  project.must_run("epic", {"stop"});
  project.must_run("epic", {"run", "--nodes", "4", "--detach"});
  CHECK_THAT(tally_at("400"), Contains(alone));
}

TEST_CASE("graph: its tests pass, and results are the same after a crash, and found after a new start", "[templates]") {
  const Project project("graph_project", {"--template", "graph"});
  project.must_run("epic", {"build", "--debug"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("9 tests passed"));
  CHECK_THAT(project.must_run("epic", {"simulate", "--seeds", "100"}).err, Contains("passed 100 seeds"));
  const auto first = project.must_run("epic", {"run", "--nodes", "4", "--exit-after-setup"});
  CHECK_THAT(first.out + first.err, Contains("60 vertices, 116 edges, 3 components. Vertex 0 has the highest rank"));

  project.must_run("epic", {"run", "--nodes", "4", "--detach"});
  const std::string rank = until(project, {"call", "Graph/web", "get_rank", "0"}, "0.");
  CHECK(until(project, {"call", "Graph/web", "get_component", "57"}, "5") == "55\n");
  for (const char* node : {"node-2", "node-3"}) project.must_run("epic", {"kill", node});
  until(project, {"call", "Graph/web", "rank", "-o", "jsonl"}, "\"result\"");
  CHECK(until(project, {"call", "Graph/web", "get_rank", "0"}, "0.") == rank);

  project.write("data/mine.txt", "0 1\n1 2\n8 9\n");
  until(project, {"call", "Graph/mine", "load", "mine.txt", "3"}, "\"edges\"");
  CHECK(until(project, {"call", "Graph/mine", "find_components"}, "2") == "2\n");
}

TEST_CASE("bare: builds, runs, accepts a first entity, and outlives each of two machines", "[templates]") {
  const Project project("bare", {"--bare"});
  project.must_run("epic", {"run", "--exit-after-setup"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("bare has no tests"));

  project.write("src/barrel.hpp", R"(#pragma once
#include <epic/epic.hpp>
class Barrel : public epic::Entity {
 public:
  epic::Task<bool> on_hit() { co_return false; }
  EPIC_ENTITY(Barrel, methods(on_hit))
};
)");
  project.write("src/module.cpp", R"(#include "barrel.hpp"
EPIC_MODULE(epic::no_setup, Barrel)
)");
  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Barrel/7", "on_hit"}).out == "false\n");
  project.must_run("epic", {"stop"});
  CHECK(project.run("epic", {"heal"}).exit_code == 3);
  CHECK(project.run("epic", {"run", "--machines", "2", "--debugger"}).exit_code == 2);

  if (project.run("unshare", {"--user", "--map-root-user", "--net", "true"}).exit_code != 0) {
    WARN("machines are not tried: there are no namespaces here");
    return;
  }
  project.must_run("epic", {"run", "--machines", "2", "--nodes", "1", "--detach"});
  const auto first = project.must_run("epic", {"ps"}).out;
  CHECK_THAT(first, Contains("\tA-") && Contains("\tB-"));
  CHECK(project.run("epic", {"run"}).exit_code == 1);
  CHECK(project.run("epic", {"kill", "--machine", "C"}).exit_code == 3);
  CHECK(project.run("epic", {"kill"}).exit_code == 2);
  for (const std::string machine : {"B", "A"}) {  // and the one that leads
    project.must_run("epic", {"kill", "--machine", machine});
    CHECK(project.run("epic", {"kill", "--machine", machine}).exit_code == 3);
    until(project, {"call", "Barrel/7", "on_hit"}, "false");
    CHECK_THAT(project.run("epic", {"run"}).err, Contains("already"));
    CHECK(project.run("epic", {"run", "--machines", "2", "--detach"}).exit_code == 1);
    project.must_run("epic", {"heal"});
    until(project, {"ps"}, "\t" + machine + "-");
  }
  if (::geteuid() == 0) {
    CHECK(project.run("epic", {"cut", "A", "A"}).exit_code == 2);
    project.must_run("epic", {"cut", "--one-way", "A", "B"});
    project.must_run("epic", {"cut", "A", "B"});
    project.must_run("epic", {"heal"});
  } else {
    CHECK_THAT(project.run("epic", {"cut", "A", "B"}).err, Contains("as root"));
  }
  project.must_run("epic", {"stop"});
  CHECK(project.run("epic", {"cut", "A", "B"}).exit_code == 3);
}

TEST_CASE("bare: epic add entity adds classes that build, pass their tests and are called", "[templates]") {
  const Project project("added", {"--bare"});
  project.must_run("epic", {"add", "entity", "Barrel"});
  project.must_run("epic", {"add", "entity", "LeaderBoard", "--transient"});
  project.must_run("epic", {"add", "entity", "Session", "--interval", "250ms"});
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("3 tests passed"));

  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Barrel/7", "add", "2"}).out == "2\n");
  CHECK(project.must_run("epic", {"call", "LeaderBoard/world", "add", "3"}).out == "3\n");
}

TEST_CASE("a project can be the template of another", "[templates]") {
  const Project first("template_first", {"--template", "hello"});
  first.write("src/@IDENTIFIER@.hpp", "#pragma once\nnamespace @IDENTIFIER@ {}\n");
  first.write("epic.toml", "[project]\nname = \"@NAME@\"\n");
  first.write("CMakeLists.txt",
              "cmake_minimum_required(VERSION 3.25)\nproject(@NAME@ LANGUAGES CXX)\n"
              "find_package(epic 0.1 CONFIG REQUIRED)\nenable_testing()\n"
              "epic_add_module(NAME @NAME@ SOURCES src/*.cpp)\n");
  const Project second("template-second", {"--template", first.directory().string()});
  CHECK(std::filesystem::exists(second.directory() / "src/template_second.hpp"));
  second.must_run("epic", {"run", "--exit-after-setup"});
}

TEST_CASE("bare: epic build reports writable globals and clocks, and nothing in a fresh project", "[templates]") {
  const Project project("habits", {"--bare"});
  CHECK_THAT(project.must_run("epic", {"build"}).err, !Contains("warning"));

  project.write("src/habits.cpp", R"(#include <chrono>
#include <vector>
static std::vector<long> g_hits;
static const std::vector<long> kHits = {1, 2};
long hit() {
  g_hits.push_back(kHits[0]);
  return std::chrono::steady_clock::now().time_since_epoch().count();
}
)");
  const auto warned = project.must_run("epic", {"build"}).err;
  CHECK_THAT(warned, Contains("src/habits.cpp:3: g_hits is a writable global"));
  CHECK_THAT(warned, Contains("src/habits.cpp:7: calls a clock of std::chrono"));
  CHECK_THAT(warned, !Contains("kHits"));
}

TEST_CASE("bare: a class evolves twice over its saved state, and an incompatible change is refused", "[templates]") {
  const Project project("evolved", {"--bare"});
  const auto write_module = [&](std::string_view type, std::string_view body) {
    project.write("src/module.cpp", "#include <epic/epic.hpp>\nclass " + std::string(type) +
                                        " : public epic::Entity {\n" + std::string(body) +
                                        "};\nEPIC_MODULE(epic::no_setup, " + std::string(type) + ")\n");
  };
  write_module("Hero", R"(  std::int32_t score = 0;
 public:
  epic::Task<std::int32_t> add(std::int32_t points) { co_return score += points; }
  EPIC_ENTITY(Hero, state(score), methods(add))
)");
  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Hero/Bob", "add", "2"}).out == "2\n");
  project.must_run("epic", {"stop"});

  write_module("Player", R"(  std::int64_t points = 0;
  int level = 1;
 public:
  epic::Task<std::int64_t> add(std::int64_t more) { co_return points += more; }
  EPIC_ENTITY(Player, named("Player", formerly("Hero")), state(points, level), renamed(score, points), methods(add),
              params(add, more))
)");
  CHECK_THAT(project.must_run("epic", {"build"}).err, Contains("Player: 1 snapshot is read with another schema: "));
  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Player/Bob", "add", "3"}).out == "5\n");
  project.must_run("epic", {"stop"});

  write_module("Player", R"(  std::string points;
 public:
  epic::Task<std::string> get() const { co_return points; }
  EPIC_ENTITY(Player, named("Player", formerly("Hero")), state(points), methods(get))
)");
  const auto refused = project.run("epic", {"build"});
  CHECK(refused.exit_code == 5);
  CHECK_THAT(refused.err, Contains("Player.points: was written as int64 and cannot be read as text: 1 snapshot"));
  CHECK(project.must_run("epic", {"schema", "check"}).exit_code == 0);  // the previous module is still there
}
