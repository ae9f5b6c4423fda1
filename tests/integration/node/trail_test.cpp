// Events and calls in flight, gathered from all nodes of a fabric.

#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "protocol/json.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Relay;
namespace json = boost::json;

namespace {

std::string text_at(const json::object& event, std::string_view field) {
  const auto& value = event.at(field);
  return value.is_string() ? std::string(std::string_view(value.get_string())) : std::string();
}

/// "activated on node-1", in order.
std::vector<std::string> list(const std::vector<json::object>& events) {
  std::vector<std::string> list;
  for (const json::object& event : events) list.push_back(text_at(event, "what") + " on " + text_at(event, "node"));
  return list;
}

/// A key of Relay on this node.
std::string relay_on(Supervised& fabric, const std::string& node) {
  for (int i = 0;; ++i) {
    const std::string key = std::to_string(i);
    fabric.call("Relay/" + key, "echo", {""});
    if (text_at(fabric.ask("inspect", {{"entity", "Relay/" + key}}), "node") == node) return key;
  }
}

}  // namespace

TEST_CASE("events: the events of an entity that has moved are merged from both nodes", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  for (int i = 0; i < 20; ++i) fabric.call("Counter/" + std::to_string(i), "add", {i});
  fabric.ask("scale", {{"nodes", 2}});
  fabric.wait_until_level();
  std::string moved;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "Counter/" + std::to_string(i);
    CHECK(fabric.call(name, "get").at("result") == i);
    if (text_at(fabric.ask("inspect", {{"entity", name}}), "node") == "node-2") moved = name;
  }
  REQUIRE(moved != "");

  const auto events = fabric.stream("events", {{"entity", moved}});
  CHECK(list(events) == std::vector<std::string>{"moved on node-1", "activated on node-1", "saved on node-1",
                                                 "moved on node-1", "moved on node-2", "activated on node-2"});
  CHECK(events[0].at("entity").is_null());  // the shard's event
  CHECK_THAT(text_at(events[1], "why"), Catch::StartsWith("add, called by"));
  CHECK_THAT(text_at(events[3], "why"), Catch::Contains("goes to another node"));
  CHECK_THAT(text_at(events[4], "why"), Catch::Contains("came from node-1"));
  CHECK(fabric.stream("events", {{"type", "Hoard"}}).empty());
  CHECK(fabric.stream("events", {{"limit", 3}}).size() == 3);
}

TEST_CASE("events: a node's death is reported with its signal and the new owners of its shards", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  fabric.ask("kill", {{"node", "node-1"}});
  fabric.wait_for_ps("it is started again", [](const json::object& ps) {
    return ps.at("nodes").at(0).at("restarts") == 1 && ps.at("nodes").at(0).at("state") == "ready";
  });
  const auto events = fabric.stream("events");
  const auto died = std::ranges::find(events, "died", [](const json::object& event) { return text_at(event, "what"); });
  REQUIRE(died != events.end());
  CHECK_THAT(text_at(*died, "why"), Catch::Contains("SIGKILL"));
  REQUIRE(std::next(died) != events.end());
  CHECK(text_at(*std::next(died), "what") == "moved");
  CHECK(std::next(died)->at("shards").as_array().size() == 32);
}

TEST_CASE("events: following shows new events, also from new nodes", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  auto client = epic::cluster::ControlClient::connect(project.path() / ".epic" / "control.sock");
  REQUIRE(client.has_value());
  fabric.call("Counter/before", "add", {1});
  std::set<std::string> seen;
  bool has_called = false;
  bool has_scaled = false;
  const auto done = client->stream("events", {{"follow", true}}, [&](const json::value& part) {
    const json::object& event = part.as_object();
    CHECK(seen.insert(epic::protocol::print_json(event)).second);  // no duplicates
    const std::string entity = text_at(event, "entity");
    const std::string what = text_at(event, "what");
    if (entity == "Counter/before" && !std::exchange(has_called, true)) fabric.call("Counter/now", "add", {1});
    if (entity == "Counter/now" && what == "saved" && !std::exchange(has_scaled, true))
      fabric.ask("scale", {{"nodes", 2}});
    return !(what == "ready" && text_at(event, "node") == "node-2");
  });
  CHECK(done.has_value());
  CHECK(has_called);
  CHECK(has_scaled);
}

TEST_CASE("events: a paused node is named, and the others answer", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2, [](auto& options) { options.silence_max = 60s; })};
  fabric.wait_for("ready 2 nodes");
  fabric.ask("pause", {{"node", "node-2"}});
  const auto events = fabric.stream("events");
  CHECK(list(events).back() == "silent on node-2");
  const json::object calls = fabric.ask("calls");
  CHECK(calls.at("silent") == json::array{"node-2"});
}

TEST_CASE("calls: a trace spans all nodes, root first, each call once", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  const std::string here = relay_on(fabric, "node-1");
  const std::string there = relay_on(fabric, "node-2");
  client.async_call(client.get<Relay>(here)->let_sleep(client.get<Relay>(there), 20'000), [](auto) {});

  json::array rows;
  fabric.wait_for_ps("both calls run", [&](const json::object&) {
    rows = fabric.ask("calls").at("calls").as_array();
    return rows.size() == 2 && rows[1].at("state") == "sleeping";
  });
  CHECK(text_at(rows[0].as_object(), "call") == "Relay/" + here + ".let_sleep");
  CHECK(rows[0].at("node") == "node-1");
  CHECK(rows[0].at("depth") == 0);
  CHECK(rows[0].at("state") == "waiting for 1 call");
  CHECK(rows[0].at("caller") == "client");
  CHECK(text_at(rows[1].as_object(), "call") == "Relay/" + there + ".sleep_for_ms");
  CHECK(rows[1].at("node") == "node-2");
  CHECK(rows[1].at("depth") == 1);
  CHECK(rows[1].at("parent") == rows[0].at("id"));
  CHECK(fabric.ask("calls", {{"entity", "Relay/" + there}}).at("calls").as_array().size() == 2);
  CHECK(fabric.ask("calls", {{"type", "Counter"}}).at("calls").as_array().empty());
  CHECK(fabric.ask("calls", {{"older_than_ms", 60'000}}).at("calls").as_array().empty());
}

TEST_CASE("calls, events: an invalid request is refused with the reason", "[node]") {
  using epic::cluster::ControlErrorCode;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const auto entity = fabric.ask_in_vain("calls", {{"entity", "Bob"}});
  CHECK(entity.code == ControlErrorCode::bad_request);
  CHECK_THAT(entity.message, Catch::Contains("Type/Key"));
  CHECK(fabric.ask_in_vain("calls", {{"older_than_ms", "soon"}}).code == ControlErrorCode::bad_request);
  CHECK(fabric.ask_in_vain("events", {{"limit", -1}}).code == ControlErrorCode::bad_request);
}

TEST_CASE("trail: within 2 s every question is answered, and names the node that does not", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2, [](auto& options) { options.silence_max = 60s; })};
  fabric.wait_for("ready 2 nodes");
  std::array<std::string, 2> of_node;  // an entity of each
  for (int i = 0; of_node[0].empty() || of_node[1].empty(); ++i) {
    const std::string name = fmt::format("Counter/{}", i);
    fabric.call(name, "add", {1});
    of_node[fabric.ask("inspect", {{"entity", name}}).at("node") == "node-1" ? 0 : 1] = name;
  }
  const pid_t stopped = fabric.list_node_pids().at(1);
  ::kill(stopped, SIGSTOP);
  const auto within = [](std::chrono::milliseconds limit, const auto& ask) {
    const auto begun_at = std::chrono::steady_clock::now();
    std::string message = ask();
    CHECK(std::chrono::steady_clock::now() - begun_at < limit + 1s);  // slack for a busy machine
    return message;
  };
  CHECK_THAT(within(2s, [&] { return fabric.ask_in_vain("inspect", {{"entity", of_node[1]}}).message; }),
             Catch::Contains("node-2"));
  CHECK_THAT(within(2s,
                    [&] {
                      const auto listed =
                          fabric.connect().stream("ls", json::object(), [](const auto&) { return true; });
                      return listed ? std::string("no error") : listed.error().message;
                    }),
             Catch::Contains("node-2"));
  CHECK_THAT(within(500ms,
                    [&] {
                      return fabric
                          .ask_in_vain("call",
                                       {{"entity", of_node[1]}, {"method", "add"}, {"args", {1}}, {"timeout_ms", 500}})
                          .message;
                    }),
             Catch::Contains("node-2"));
  CHECK_THAT(within(2s,
                    [&] {
                      std::string silent;
                      for (const auto& event : fabric.stream("events"))
                        if (event.at("what") == "silent") silent += event.at("node").as_string().c_str();
                      return silent;
                    }),
             Catch::Contains("node-2"));
  CHECK(fabric.ask("ps").at("nodes").at(1).at("state") == "silent");
  CHECK(fabric.ask("inspect", {{"entity", of_node[0]}}).at("node") == "node-1");
  CHECK(fabric.ask("types").at("types").as_array().size() > 2);
  ::kill(stopped, SIGCONT);
  CHECK(fabric.ask("inspect", {{"entity", of_node[1]}}).at("node") == "node-2");
}
