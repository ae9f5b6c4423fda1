#include "cluster/supervisor/supervisor.hpp"

#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>

#include "integration/cluster/supervised.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::test::holds;
using epic::test::ProjectDirectory;
using epic::test::Supervised;
using epic::test::wait_for_death;
namespace json = boost::json;

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

json::object node_of(const json::object& ps, std::size_t index) { return ps.at("nodes").at(index).as_object(); }

}  // namespace

TEST_CASE("supervisor: four nodes get sixteen shards each, and leave nothing behind when they stop",
          "[cluster][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good"};
  fabric.wait_for("ready 4 nodes, logs in " + project.path().string());
  fabric.wait_for("event setup_done");

  const json::object ps = fabric.ask("ps");
  REQUIRE(ps.at("nodes").as_array().size() == 4);
  for (const auto& node : ps.at("nodes").as_array()) {
    CHECK(node.at("state").as_string() == "ready");
    CHECK(node.at("shards") == 16);
    CHECK(node.at("restarts") == 0);
  }
  CHECK(ps.at("setup") == "done");
  CHECK(fabric.ask("ping").at("pid") == fabric.pid());
  const auto pids = fabric.list_node_pids();

  fabric.signal(SIGTERM);
  CHECK(holds(fabric.wait_for("event"), "event stopping requested by SIGTERM"));
  fabric.wait_for("event stopped");
  CHECK(fabric.wait_for_end() == kExitOk);
  for (const pid_t pid : pids) CHECK(::kill(pid, 0) != 0);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("supervisor: a stop over the control socket reports each node, and the end", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) { options.node_count = 2; }};
  fabric.wait_for("event setup_done");
  const auto events = fabric.stream("stop");
  REQUIRE(events.size() == 4);
  CHECK(events.front().at("event") == "stopping");
  CHECK(events.back() == json::object{{"node", "supervisor"}, {"event", "stopped"}, {"unsaved", json::array()}});
  CHECK(fabric.wait_for_end() == kExitOk);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("supervisor: a crashed node's shards move to the others at once, and return after a while",
          "[cluster][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) { options.node_count = 3; }};
  fabric.wait_for("event setup_done");
  const auto owner_before = fabric.ask("inspect", {{"entity", "Fake/1"}});

  CHECK(fabric.ask_in_vain("call", {{"entity", "Fake/1"}, {"method", "crash"}}).detail.error == "node_lost");
  const auto owner_after = fabric.ask("inspect", {{"entity", "Fake/1"}});
  CHECK(owner_after.at("node") != owner_before.at("node"));

  fabric.wait_for("was killed by signal 11 (SIGSEGV). Its last lines:~  | hello from");
  const auto ps = fabric.wait_until_level();
  const auto& nodes = ps.at("nodes").as_array();
  CHECK(std::ranges::count_if(nodes, [](const auto& node) { return node.at("restarts") == 1; }) == 1);
}

TEST_CASE("supervisor: a node's incarnation is new with each start, also across runs of the fabric", "[cluster]") {
  const ProjectDirectory project;
  std::set<std::uint64_t> seen{0};
  for (int run = 0; run < 2; ++run) {
    Supervised fabric{project, "good", [](SupervisorOptions& options) { options.node_count = 1; }};
    fabric.wait_for("event setup_done");
    for (int life = 0; life < 2; ++life) {
      const auto incarnation =
          fabric.ask("inspect", {{"entity", "Fake/1"}}).at("incarnation").to_number<std::uint64_t>();
      CHECK(seen.insert(incarnation).second);
      if (life == 0)
        CHECK(fabric.ask_in_vain("call", {{"entity", "Fake/1"}, {"method", "exit"}}).code == ControlErrorCode::failed);
    }
  }
}

TEST_CASE("supervisor: a stopped process is killed after too long a silence", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) {
                      options.node_count = 2;
                      options.silence_max = 300ms;
                    }};
  fabric.wait_for("event setup_done");
  const pid_t stopped = fabric.list_node_pids().at(1);
  REQUIRE(::kill(stopped, SIGSTOP) == 0);
  fabric.wait_for("node-2 has been silent for more than 300ms: killing it.");
  wait_for_death(stopped);
  const auto ps = fabric.wait_until_level();
  CHECK(holds(node_of(ps, 1).at("last_exit").as_string(), "has been silent"));
}

TEST_CASE("supervisor: a long turn is reported once, and an endless one ends the node", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) {
                      options.node_count = 1;
                      options.fabric.turn_report = 100ms;
                      options.turn_max = 400ms;
                    }};
  fabric.wait_for("event setup_done");
  fabric.call("Fake/1", "turn");
  fabric.wait_for("warn - node-1 has been in one turn for");
  CHECK(holds(fabric.wait_for("node-1 has been in one turn for"), "killing it"));
  fabric.wait_until_level();
}

TEST_CASE("supervisor: a node that sends malformed messages is killed", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) { options.node_count = 1; }};
  fabric.wait_for("event setup_done");
  CHECK(fabric.ask_in_vain("call", {{"entity", "Fake/1"}, {"method", "noise"}}).code == ControlErrorCode::failed);
  fabric.wait_for("node-1 sent not an epic frame");
  fabric.wait_until_level();
}

TEST_CASE("supervisor: a node that ignores Stop is killed after the grace period", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "slow-stop", [](SupervisorOptions& options) {
                      options.node_count = 2;
                      options.fabric.grace = 100ms;
                    }};
  fabric.wait_for("event setup_done");
  fabric.signal(SIGTERM);
  fabric.wait_for("event killing not stopped within 100ms");
  CHECK_THAT(fabric.wait_for_error(), Catch::Contains("node-1, node-2 ended before everything was saved"));
  CHECK(fabric.wait_for_end() == kExitFailed);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("supervisor: the first Ctrl-C stops in order, the second kills", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "slow-stop", [](SupervisorOptions& options) { options.node_count = 2; }};
  fabric.wait_for("event setup_done");
  const auto pids = fabric.list_node_pids();
  fabric.signal(SIGINT);
  fabric.wait_for("event stopping requested by SIGINT");
  fabric.signal(SIGINT);
  fabric.wait_for("event killing requested again by SIGINT");
  CHECK(fabric.wait_for_end() == kExitInterrupted);
  for (const pid_t pid : pids) CHECK(::kill(pid, 0) != 0);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("supervisor: if it is killed, no node outlives it, and the next one simply starts", "[cluster]") {
  const ProjectDirectory project;
  {
    Supervised fabric{project, "good"};
    fabric.wait_for("event setup_done");
    const auto pids = fabric.list_node_pids();
    REQUIRE(pids.size() == 4);
    fabric.signal(SIGKILL);
    CHECK(fabric.wait_for_end() == 128 + SIGKILL);
    Supervised at_once{project, "good"};
    at_once.wait_for("event setup_done");
    at_once.signal(SIGKILL);
    CHECK(at_once.wait_for_end() == 128 + SIGKILL);
    for (const pid_t pid : pids) wait_for_death(pid);
  }
  project.wait_until_nothing_is_left();
  Supervised next{project, "good"};
  next.wait_for("event setup_done");
  next.signal(SIGTERM);
  CHECK(next.wait_for_end() == kExitOk);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("supervisor: one fabric per project", "[cluster][threads]") {
  const ProjectDirectory project;
  Supervised first{project, "good", [](SupervisorOptions& options) { options.node_count = 1; }};
  first.wait_for("event setup_done");

  Supervised second{project, "good", [](SupervisorOptions& options) { options.node_count = 1; }};
  const std::string error = second.wait_for_error();
  CHECK(holds(error, "already running (pid " + std::to_string(first.pid()) + ")"));
  CHECK(second.wait_for_end() == kExitFailed);
  CHECK(first.ask("ps").at("setup") == "done");

  const ProjectDirectory other;
  Supervised beside{other, "good", [](SupervisorOptions& options) { options.node_count = 1; }};
  beside.wait_for("event setup_done");
}

TEST_CASE("supervisor: logs are passed on line by line, and kept in files without colours", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) { options.node_count = 1; }};
  fabric.wait_for("event setup_done");
  fabric.call("Fake/1", "say", {"\x1b[31mred\x1b[0m words"});
  fabric.wait_for("log node-1 output - \x1b[31mred\x1b[0m words");

  const auto logs = fabric.stream("logs", {{"node", "node-1"}, {"tail", 2}});
  REQUIRE(logs.size() == 2);
  CHECK(logs[0].at("message") == "setup");
  CHECK(logs[0].at("level") == "info");
  CHECK(fabric.stream("logs").size() > 4);
  CHECK(fabric.ask_in_vain("logs", {{"node", "node-7"}}).code == ControlErrorCode::not_found);

  const auto latest = project.path() / ".epic" / "logs" / "latest";
  CHECK(holds(read_file(latest / "node-1.log"), " OUTPUT - red words\n"));
  CHECK(holds(read_file(latest / "supervisor.log"), " INFO - node-1 is ready (pid "));
}

TEST_CASE("supervisor: following the logs gives each new line until the end", "[cluster][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) { options.node_count = 1; }};
  fabric.wait_for("event setup_done");
  auto follower = ControlClient::connect(project.path() / ".epic" / "control.sock");
  REQUIRE(follower);
  bool has_spoken = false;
  std::vector<std::string> lines;
  const auto done = follower->stream("logs", json::object{{"follow", true}, {"tail", 1}}, [&](const json::value& part) {
    lines.emplace_back(std::string_view(part.at("message").as_string()));
    if (!std::exchange(has_spoken, true)) fabric.call("Fake/1", "say", {"news"});
    if (lines.back() == "news") fabric.signal(SIGTERM);
    return true;
  });
  CHECK(done.has_value());
  CHECK(std::ranges::count(lines, "news") == 1);
  CHECK(lines.back() == "All nodes have stopped.");
}
