// Restarts with fake nodes: the order of events, and what happens if something goes wrong meanwhile.

#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "integration/cluster/supervised.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::test::ProjectDirectory;
using epic::test::Supervised;
namespace json = boost::json;

namespace {

std::function<void(SupervisorOptions&)> with_nodes(std::uint16_t count) {
  return [count](SupervisorOptions& options) { options.node_count = count; };
}

/// What the fabric's module does from the next restart on (see programs/fake_node.cpp).
void build(const ProjectDirectory& project, std::string_view module) {
  std::ofstream(project.path() / "good") << module;
}

std::string describe(const json::value& event) {
  return std::string(event.at("node").as_string()) + " " + std::string(event.at("event").as_string());
}

struct Outcome {
  std::vector<std::string> events;  // "node-1 draining"
  std::optional<ControlError> error;
};

/// Restarts, and calls `meanwhile` for each event.
Outcome restart(const Supervised& fabric, bool rolling, const std::function<void(std::string_view)>& meanwhile = {}) {
  Outcome outcome;
  const auto done = fabric.connect().stream("restart", {{"rolling", rolling}}, [&](const json::value& part) {
    outcome.events.push_back(describe(part));
    if (meanwhile) meanwhile(outcome.events.back());
    return true;
  });
  if (!done) outcome.error = done.error();
  return outcome;
}

/// All nodes are ready, run this generation and own their share of the shards.
json::object wait_for_generation(Supervised& fabric, int generation) {
  json::object ps = fabric.wait_until_level();
  for (const auto& node : ps.at("nodes").as_array()) CHECK(node.at("generation") == generation);
  return ps;
}

/// The children of a supervisor that run the program of its nodes.
std::vector<pid_t> list_node_processes(pid_t supervisor) {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size()) continue;
    std::ifstream status(entry.path() / "status");
    bool is_child = false;
    for (std::string line; std::getline(status, line);)
      is_child = is_child || line == "PPid:\t" + std::to_string(supervisor);
    const auto program = std::filesystem::read_symlink(entry.path() / "exe", ignored);
    if (is_child && program.filename() == std::filesystem::path(EPIC_FAKE_NODE).filename()) found.push_back(pid);
  }
  return found;
}

}  // namespace

TEST_CASE("restart: rolling, with one extra node, one node at a time", "[cluster][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(2)};
  fabric.wait_for("event setup_done");
  const auto before = fabric.list_node_pids();
  const Outcome outcome = restart(fabric, true);
  CHECK(!outcome.error);
  CHECK(outcome.events == std::vector<std::string>{
                              "node-3 starting", "node-3 ready", "node-1 draining", "node-1 stopped", "node-1 starting",
                              "node-1 ready", "node-2 draining", "node-2 stopped", "node-2 starting", "node-2 ready",
                              "node-3 draining", "node-3 stopped", "supervisor restarted"});
  const json::object ps = wait_for_generation(fabric, 2);
  CHECK(ps.at("nodes").as_array().size() == 2);
  for (const auto& node : ps.at("nodes").as_array()) CHECK(node.at("restarts") == 0);
  CHECK(ps.at("setup") == "done");
  for (const pid_t pid : before) CHECK(::kill(pid, 0) != 0);
  CHECK_FALSE(std::filesystem::exists(project.path() / ".epic" / "run" / "good-1"));
  CHECK(fabric.ask("ping").at("generation") == 2);
  fabric.signal(SIGTERM);
  CHECK(fabric.wait_for_end() == kExitOk);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("restart: a crashed node does not load what was built meanwhile", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(2)};
  fabric.wait_for("event setup_done");
  build(project, "refuse");
  fabric.ask("kill", {{"node", "node-1"}});
  const json::object ps = fabric.wait_for_ps("it is started again", [](const json::object& state) {
    return state.at("nodes").at(0).at("restarts") == 1 && state.at("nodes").at(0).at("state") == "ready";
  });
  CHECK(ps.at("nodes").at(0).at("generation") == 1);
}

TEST_CASE("restart: rolling, a module that cannot start changes nothing", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) {
                      options.node_count = 2;
                      options.start_timeout = 2s;
                    }};
  fabric.wait_for("event setup_done");
  const auto before = fabric.list_node_pids();
  for (const char* module : {"refuse", "exit3", "silent-start", "foreign"}) {
    CAPTURE(module);
    build(project, module);
    const Outcome outcome = restart(fabric, true);
    CHECK(outcome.events == std::vector<std::string>{"node-3 starting"});
    REQUIRE(outcome.error);
    CHECK(outcome.error->code == ControlErrorCode::failed);
    CHECK_THAT(outcome.error->message, Catch::Contains("the nodes keep running the previous one. node-3"));
    CHECK_THAT(outcome.error->detail.log.value_or(""), Catch::EndsWith("node-3.log"));
    wait_for_generation(fabric, 1);
    CHECK(fabric.list_node_pids() == before);
  }
  std::filesystem::remove(project.path() / "good");
  CHECK_THAT(restart(fabric, true).error->message, Catch::Contains("Cannot read the module"));
  build(project, "good");
  CHECK(!restart(fabric, true).error);
  wait_for_generation(fabric, 6);
}

TEST_CASE("restart: rolling, a first node that is killed while it starts is started again", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(1)};
  fabric.wait_for("event setup_done");
  build(project, "crash-once");
  CHECK(!restart(fabric, true).error);
  wait_for_generation(fabric, 2);
}

TEST_CASE("restart: rolling, whichever node is killed meanwhile, all end up with the new module", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(3)};
  fabric.wait_for("event setup_done");
  const std::vector<std::pair<std::string, std::string>> kills = {
      {"node-4 ready", "node-4"},    {"node-4 ready", "node-3"},    {"node-1 draining", "node-1"},
      {"node-1 draining", "node-4"}, {"node-1 starting", "node-2"}, {"node-1 ready", "node-1"},
      {"node-2 starting", "node-2"}, {"node-3 draining", "node-4"}, {"node-3 ready", "node-4"},
      {"node-4 draining", "node-4"}, {"node-4 draining", "node-1"},
  };
  int generation = 1;
  int deaths_reported = 0;
  for (const auto& [event, node] : kills) {
    CAPTURE(event, node);
    bool is_killed = false;
    const Outcome outcome = restart(fabric, true, [&](std::string_view now) {
      if (now != event) return;
      const auto killed = fabric.connect().request("kill", json::object{{"node", node}});
      if (!killed) CHECK(killed.error().code != ControlErrorCode::bad_request);  // it may have no process at the moment
      is_killed = is_killed || killed;
    });
    CHECK(!outcome.error);
    CHECK(std::ranges::find(outcome.events, event) != outcome.events.end());
    const bool is_reported = std::ranges::find(outcome.events, node + " died") != outcome.events.end();
    if (is_reported) CHECK(is_killed);
    deaths_reported += is_reported ? 1 : 0;
    const json::object ps = wait_for_generation(fabric, ++generation);
    CHECK(ps.at("nodes").as_array().size() == 3);
  }
  CHECK(deaths_reported > 0);  // a node that was about to exit anyway does not count
}

TEST_CASE("restart: requests that would disturb it are refused, with the reason", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(2)};
  fabric.wait_for("event setup_done");
  std::vector<std::string> refusals;
  const Outcome outcome = restart(fabric, true, [&](std::string_view now) {
    if (now != "node-1 draining") return;
    refusals.push_back(restart(fabric, true).error->message);
    refusals.push_back(restart(fabric, false).error->message);
    refusals.push_back(fabric.ask_in_vain("drain", {{"node", "node-2"}}).message);
    refusals.push_back(fabric.ask_in_vain("scale", {{"nodes", 5}}).message);
  });
  CHECK(!outcome.error);
  REQUIRE(refusals.size() == 4);
  CHECK_THAT(refusals[0], Catch::Contains("A restart is under way: 0 of 2 nodes run the new module."));
  CHECK(refusals[1] == refusals[0]);
  CHECK(refusals[2] == "A restart is under way.");
  CHECK(refusals[3] == "A restart is under way.");
  CHECK(wait_for_generation(fabric, 2).at("nodes").as_array().size() == 2);
  CHECK(fabric.ask_in_vain("restart", {{"rolling", "yes"}}).code == ControlErrorCode::bad_request);
}

TEST_CASE("restart: rolling, it goes on after the client that requested it has left", "[cluster][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(2)};
  fabric.wait_for("event setup_done");
  {
    auto client = fabric.connect();
    REQUIRE(client.stream("restart", {{"rolling", true}}, [](const json::value&) { return false; }));
  }
  fabric.wait_for("The restart is complete");
  wait_for_generation(fabric, 2);
}

TEST_CASE("restart: a stop ends it and leaves nothing behind", "[cluster][threads][memory]") {
  for (const bool rolling : {true, false}) {
    const ProjectDirectory project;
    Supervised fabric{project, "good", with_nodes(2)};
    fabric.wait_for("event setup_done");
    bool has_stopped = false;
    const Outcome outcome = restart(fabric, rolling, [&](std::string_view) {
      if (!std::exchange(has_stopped, true)) fabric.signal(SIGTERM);
    });
    REQUIRE(outcome.error);
    const int code = fabric.wait_for_end();
    INFO((code == kExitOk ? std::string() : fabric.wait_for_error()));
    CHECK(code == kExitOk);
    CHECK(project.list_left_behind().empty());
  }
}

TEST_CASE("restart: when its supervisor is killed, a process that was spawned ahead ends, like all others",
          "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(2)};
  fabric.wait_for("event setup_done");
  build(project, "silent-start");  // so the restart does not go on
  std::vector<pid_t> all;
  std::vector<pid_t> nodes;
  const Outcome outcome = restart(fabric, true, [&](std::string_view event) {
    if (event != "node-3 starting") return;
    fabric.wait_for_ps("a process more than there are nodes", [&](const json::object&) {
      all = list_node_processes(fabric.pid());
      return all.size() == 4;
    });
    nodes = fabric.list_node_pids();
    fabric.signal(SIGKILL);
  });
  CHECK(outcome.error);
  CHECK(fabric.wait_for_end() == 128 + SIGKILL);
  CHECK(nodes.size() == 3);
  for (const pid_t pid : nodes) CHECK(std::ranges::find(all, pid) != all.end());
  for (const pid_t pid : all) epic::test::wait_for_death(pid);
  project.wait_until_nothing_is_left();
}

TEST_CASE("restart: at once, all nodes stop and start with the new module", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(2)};
  fabric.wait_for("event setup_done");
  const Outcome outcome = restart(fabric, false);
  CHECK(!outcome.error);
  CHECK(outcome.events == std::vector<std::string>{"node-1 stopping", "node-2 stopping", "node-1 stopped",
                                                   "node-2 stopped", "node-1 starting", "node-2 starting",
                                                   "node-1 ready", "node-2 ready", "supervisor restarted"});
  wait_for_generation(fabric, 2);
  fabric.call("Fake/1", "echo");
}

TEST_CASE("restart: at once, if the new module cannot start, all nodes return to the previous one",
          "[cluster][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", with_nodes(2)};
  fabric.wait_for("event setup_done");
  build(project, "refuse");
  const Outcome outcome = restart(fabric, false);
  REQUIRE(outcome.error);
  CHECK_THAT(outcome.error->message, Catch::Contains("the nodes are running the previous one"));
  CHECK(outcome.error->detail.hint == "Run 'epic build'.");
  wait_for_generation(fabric, 1);
  fabric.call("Fake/1", "echo");
  fabric.ask("kill", {{"node", "node-1"}});
  fabric.wait_for("node-1 is ready");
  wait_for_generation(fabric, 1);
}

TEST_CASE("restart: a scale that waits for its nodes meanwhile is answered when they are there", "[cluster][threads]") {
  const ProjectDirectory project;
  std::ofstream(project.path() / "go").close();
  Supervised fabric{project, "late", with_nodes(1)};
  fabric.wait_for("ready 1 nodes");
  std::filesystem::remove(project.path() / "go");

  std::expected<json::value, ControlError> scaled;
  ControlClient client = fabric.connect();
  std::jthread scaler([&] { scaled = client.request("scale", json::object{{"nodes", 2}}); });
  fabric.wait_for_ps("a second node", [](const json::object& ps) { return ps.at("nodes").as_array().size() == 2; });
  const Outcome outcome = restart(fabric, true, [&](std::string_view event) {
    if (event != "node-3 starting") return;  // the extra one: more nodes than were asked for
    fabric.wait_for_ps("an extra node, for a while", [](const json::object& ps) {
      const auto& nodes = ps.at("nodes").as_array();
      return nodes.size() == 3 && nodes.back().at("uptime_ms").to_number<int>() > 500;
    });
    std::ofstream(project.path() / "go").close();
  });
  CHECK_FALSE(outcome.error);
  scaler.join();
  CHECK((scaled ? "" : scaled.error().message) == "");
}
