// Entities that kill or block their nodes: named, put aside, and released.

#include <poll.h>
#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "kernel/placement.hpp"
#include "support/sanitizers.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
using probe::Relay;
namespace json = boost::json;

TEST_CASE("poison: an entity that kills its nodes is put aside and named, and others go on, until it is released",
          "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  for (int death = 0; death < 3; ++death) {
    CHECK_THROWS_WITH(client.call(client.get<Relay>("bad")->die()), Catch::Contains("while it ran Relay/bad.die"));
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

TEST_CASE("poison: what runs beside methods is named too, and so is an entity that ends the process", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  bool has_died = false;
  const auto dies_in = [&](auto call, const std::string& place) {
    if (std::exchange(has_died, true)) fabric.wait_for(" is ready (pid ");  // otherwise there may be no node in the end
    CHECK_THROWS_WITH(client.call(std::move(call)), Catch::Contains("while it ran " + place));
    fabric.wait_for(" while it ran " + place);
  };
  dies_in(client.get<probe::Fatal>("when it wakes")->leave(), "Fatal/when it wakes.on_activate");
  dies_in(client.get<probe::Stillborn>("x")->touch(), "Stillborn/x.constructor");
  for (int death = 0; death < 3; ++death) dies_in(client.get<probe::Fatal>("y")->leave(), "Fatal/y.leave");
  fabric.wait_for("Fatal/y is quarantined: 3 nodes died while they ran Fatal/y.leave");
}

TEST_CASE("poison: callers of others on the node learn who killed it, from a client and from another node", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  const auto nodes = fabric.ask("nodes");
  const auto& owners = nodes.at("map").at("owners").as_array();
  const auto find_on = [&](int node, const std::string& prefix) {
    for (int i = 0;; ++i) {
      const std::string key = prefix + std::to_string(i);
      const auto shard = epic::kernel::ungrouped(static_cast<std::uint32_t>(owners.size())).shard_of("Relay/" + key);
      if (owners.at(shard.value).to_number<int>() == node) return key;
    }
  };
  const std::string bad = find_on(1, "bad");
  const std::string victim = find_on(1, "victim");
  const std::string waits = find_on(2, "waits");
  client.call(client.get<Relay>(victim)->version());
  std::string outside;
  std::string inside;
  std::jthread from_client([&] {
    try {
      client.call(client.get<Relay>(victim)->sleep_for_ms(60'000));
    } catch (const epic::NodeLost& lost) {
      outside = lost.what();
    }
  });
  std::jthread from_node([&] {
    try {
      client.call(client.get<Relay>(waits)->let_sleep(client.get<Relay>(victim), 60'000));
    } catch (const epic::NodeLost& lost) {
      inside = lost.what();
    }
  });
  while (fabric.ask("inspect", {{"entity", "Relay/" + victim}}).at("calls").as_array().size() < 2)
    ::poll(nullptr, 0, 10);
  CHECK_THROWS_AS(client.call(client.get<Relay>(bad)->die()), epic::NodeLost);
  from_client.join();
  from_node.join();
  CHECK_THAT(outside, Catch::Contains("The node died while it ran Relay/" + bad + ".die"));
  CHECK_THAT(inside, Catch::Contains("The node died while it ran Relay/" + bad + ".die"));
}

TEST_CASE("poison: a node that dies on a damaged stack has named the entity before", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  CHECK_THROWS_AS(client.call(client.get<Relay>("bad")->die_without_stack()), epic::NodeLost);
  fabric.wait_for("while it ran Relay/bad.die_without_stack");
}

TEST_CASE("poison: lines that a node could not write before it died are reported as lost", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  fabric.signal(SIGSTOP);  // nobody reads the log
  CHECK_THROWS_AS(client.call(client.get<Relay>("talker")->die_talking(3000)), epic::NodeLost);
  fabric.signal(SIGCONT);
  fabric.wait_for("node-1 ended before it had written its log: ");
}

TEST_CASE("poison: a node whose turn does not end says where before it is killed", "[node][threads]") {
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

namespace {

/// One node, whose deaths are all by Fatal/x.
struct Dying {
  ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  std::optional<Client> client;

  Dying() {
    fabric.wait_for("ready 1 nodes");
    client.emplace(Client::connect(project.path().string()));
  }
  /// What its caller learns.
  std::string end_by(const std::string& way) {
    try {
      client->call(client->get<probe::Fatal>("x")->end_by(way));
    } catch (const epic::NodeLost& lost) {
      return lost.what();
    }
    return "it lives";
  }
  void wait_for_node() { fabric.wait_for("node-1 is ready (pid "); }
  /// With a client that knows nothing of the one before, whose end it may not have noticed yet.
  void meet_new_node() {
    wait_for_node();
    client.emplace(Client::connect(project.path().string()));
  }
  std::size_t count_quarantined() { return fabric.ask("ps").at("quarantined").as_array().size(); }
};

}  // namespace

TEST_CASE("poison: an entity that ends its node past all signals is named and counted", "[node]") {
  // A sanitizer has functions of its own; what is left then is what the kernel shows.
  const bool is_noted = !epic::test::kIsSanitized;
  for (const std::string way : {"_exit", "quick_exit", "exec", "kill", "raise", "thread", "close"}) {
    if (!is_noted && way != "_exit" && way != "quick_exit" && way != "exec") continue;
    CAPTURE(way);
    Dying f;
    for (int death = 0; death < 3; ++death) {
      if (death > 0) f.meet_new_node();
      const std::string told = f.end_by(way);
      // The loop closes the connection to the caller before the node can leave word.
      if (is_noted && way != "close") CHECK_THAT(told, Catch::Contains("while it ran Fatal/x.end_by"));
      f.fabric.wait_for(" while it ran Fatal/x.end_by");
    }
    f.fabric.wait_for("Fatal/x is quarantined: 3 nodes died while they ran Fatal/x.end_by");
    CHECK(f.count_quarantined() == 1);
  }
}

TEST_CASE("poison: system calls past the C library are named and counted", "[node]") {
  for (const std::string way : {"exit_group", "exec_call"}) {
    CAPTURE(way);
    Dying f;
    for (int death = 0; death < 3; ++death) {
      if (death > 0) f.meet_new_node();
      CHECK(f.end_by(way) != "it lives");
      f.fabric.wait_for(" while it ran Fatal/x.end_by");
    }
    f.fabric.wait_for("Fatal/x is quarantined");
  }
}

TEST_CASE("poison: signals that end a process leave a stack trace, if an entity raises them", "[node]") {
  if (epic::test::kIsSanitized) return;  // they delay signals
  Dying f;
  const std::vector<std::string> ways{"SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGPROF", "SIGALRM"};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (i > 0) f.meet_new_node();
    CHECK_THAT(f.end_by(ways[i]), Catch::Contains("while it ran Fatal/x.end_by"));
    f.fabric.wait_for("(" + ways[i] + ") while it ran Fatal/x.end_by.~  at ");
    if (f.count_quarantined() > 0) f.fabric.ask("release", {{"entity", "Fatal/x"}});
  }
}

TEST_CASE("poison: a thread that an entity has started is the entity's, also when it dies in another's turn",
          "[node]") {
  if (epic::test::kIsSanitized) return;
  const std::string way =
      GENERATE(as<std::string>{}, "later", "later, when its thread exits", "later, when its thread returns");
  CAPTURE(way);
  Dying f;
  REQUIRE(f.end_by(way) == "it lives");
  CHECK_THROWS_WITH(f.client->call(f.client->get<Relay>("other")->spin_for_ms(60'000)),
                    Catch::Contains("while it ran Fatal/x.end_by"));
  f.fabric.wait_for("was killed by signal 6 (SIGABRT) while it ran Fatal/x.end_by");
}

TEST_CASE("poison: a signal from outside blames nobody", "[node]") {
  Dying f;
  for (int death = 0; death < 4; ++death) {
    if (death > 0) f.meet_new_node();
    std::jthread caller(
        [&] { CHECK_THROWS_AS(f.client->call(f.client->get<Relay>("busy")->spin_for_ms(60'000)), epic::NodeLost); });
    f.fabric.wait_for("a turn of spin_for_ms has lasted");
    ::kill(f.fabric.list_node_pids().at(0), SIGTERM);
    f.fabric.wait_for("was killed by signal 15 (SIGTERM).");
  }
  CHECK(f.count_quarantined() == 0);
}

TEST_CASE("poison: SIGKILL in short turns of a busy entity does not put it aside", "[node]") {
  Dying f;
  std::atomic<bool> is_done = false;
  std::jthread caller([&] {
    while (!is_done) {
      try {
        f.client->call(f.client->get<Relay>("busy")->spin_for_ms(20));
      } catch (const epic::Error& error) {
        CHECK_THAT(error.what(), !Catch::Contains("quarantined"));
      }
    }
  });
  for (int death = 0; death < 5; ++death) {
    if (death > 0) f.wait_for_node();
    while (f.fabric.call("Relay/busy", "version").at("result").as_int64() != 1) ::poll(nullptr, 0, 10);
    ::kill(f.fabric.list_node_pids().at(0), SIGKILL);
    f.fabric.wait_for("was killed by signal 9 (SIGKILL)");
  }
  CHECK(f.count_quarantined() == 0);
  is_done = true;
}

TEST_CASE("poison: the end of a child process, and a program that cannot be executed, are no end of the node",
          "[node]") {
  if (epic::test::kIsSanitized) return;
  Dying f;
  const pid_t pid = f.fabric.list_node_pids().at(0);
  f.client->call(f.client->get<probe::Fatal>("x")->end_others());
  CHECK(f.fabric.list_node_pids().at(0) == pid);
  ::kill(pid, SIGTERM);
  f.fabric.wait_for("was killed by signal 15 (SIGTERM).");
}
