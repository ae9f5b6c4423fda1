// Entities that kill or block their nodes: named, put aside, and released.

#include <signal.h>

#include <catch2/catch.hpp>
#include <thread>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
using probe::Relay;
namespace json = boost::json;

TEST_CASE("poison: an entity that kills its nodes is put aside and named; others go on, until it is released",
          "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  for (int death = 0; death < 3; ++death) {
    CHECK_THROWS_AS(client.call(client.get<Relay>("bad")->die()), epic::Error);
    fabric.wait_for("was killed by signal 6 (SIGABRT) while it ran Relay/bad.die");
  }
  fabric.wait_for("Relay/bad is quarantined: 3 nodes died while they ran Relay/bad.die");
  CHECK_THROWS_WITH(client.call(client.get<Relay>("bad")->version()), Catch::Contains("quarantined after 3 crashes"));
  CHECK(client.call(client.get<Relay>("good")->version()) == 1);
  CHECK(client.call(client.get<Counter>("a")->add(2)) == 2);

  const auto listed = fabric.ask("ps").at("quarantined").as_array();
  REQUIRE(listed.size() == 1);
  CHECK(listed.front().at("entity").as_string() == "Relay/bad");
  CHECK(listed.front().at("method").as_string() == "die");
  std::vector<std::string> happenings;
  for (const json::object& event : fabric.stream("events", {{"entity", "Relay/bad"}}))
    if (event.at("entity").is_string()) happenings.emplace_back(event.at("what").as_string());
  CHECK(std::ranges::count(happenings, "died") == 3);
  CHECK(std::ranges::count(happenings, "quarantined") == 1);

  CHECK(fabric.ask_in_vain("release", {{"entity", "Relay/good"}}).message == "Relay/good is not in quarantine.");
  fabric.ask("release", {{"entity", "Relay/bad"}});
  CHECK(fabric.call("Relay/bad", "version").at("result").as_int64() == 1);
}

TEST_CASE("poison: a node whose turn does not end says where before it is killed", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2, [](auto& options) { options.turn_max = 1500ms; })};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  CHECK_THROWS_AS(client.call(client.get<Relay>("stuck")->spin_for_ms(60'000)), epic::NodeLost);
  fabric.wait_for("while it ran Relay/stuck.spin_for_ms.~  at ");
}

TEST_CASE("poison: a node that the system kills in a long turn has left word of whose it was", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  std::jthread caller(
      [&] { CHECK_THROWS_AS(client.call(client.get<Relay>("hog")->spin_for_ms(60'000)), epic::NodeLost); });
  fabric.wait_for("a turn of spin_for_ms has lasted");
  ::kill(fabric.list_node_pids().at(0), SIGKILL);
  fabric.wait_for("was killed by signal 9 (SIGKILL) while it ran Relay/hog.spin_for_ms");
}
