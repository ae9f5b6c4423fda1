// Restarts of a whole fabric whose nodes are fakes.

#include <signal.h>

#include <catch2/catch.hpp>

#include "support/fabric_fixture.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::cluster::test::FabricFixture;
using epic::cluster::test::FakeNode;
namespace protocol = epic::protocol;

TEST_CASE("fabric: a rolling restart gives every node the new module, and all shards an owner", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  const auto restart = f.request("restart", R"({"rolling":true})");
  f.wait_until([&] { return restart->is_ended(); }, 1min);
  CHECK(restart->all.back().status == protocol::AnswerStatus::ok);
  f.pass(10s);
  const auto nodes = f.ps().nodes;
  REQUIRE(nodes.size() == 2);
  for (const auto& node : nodes) {
    CHECK(node.generation == 2);
    CHECK(node.shards == 4);
  }
}

TEST_CASE("fabric: in a rolling restart a node's next process is spawned ahead, and knows nothing until its turn",
          "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  const pid_t old = f.node(1).pid;
  const auto restart = f.begin_slow_restart();
  REQUIRE(f.host.spawned.size() == 5);  // node-3, and those ahead for node-1 and node-2
  const FakeNode& spare = *f.host.spawned[3];
  CHECK(spare.program.arguments.front() == "node-1");
  CHECK(spare.is_alive);
  CHECK_FALSE(f.configured.contains(spare.pid));
  CHECK(spare.inbox.empty());
  CHECK(f.ps().nodes.size() == 3);
  CHECK(f.ps().nodes.at(0).pid == old);
  f.die(f.node(1), SIGKILL);  // as if it had ended what ran there
  CHECK(f.configured.contains(spare.pid));
  f.wait_until([&] { return restart->is_ended(); }, 1min);
  CHECK(restart->all.back().status == protocol::AnswerStatus::ok);
  CHECK(f.host.spawned.size() == 5);
  CHECK(f.ps().nodes.at(0).pid == spare.pid);
}

TEST_CASE("fabric: a process spawned ahead that ends is forgotten, and the node has another when its turn comes",
          "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  const pid_t old = f.node(1).pid;
  const auto restart = f.begin_slow_restart();
  REQUIRE(f.host.spawned.size() == 5);
  f.die(*f.host.spawned[3], SIGKILL);
  f.pass(1s);
  CHECK(f.ps().nodes.at(0).pid == old);
  CHECK(f.ps().nodes.at(0).restarts == 0);
  CHECK(f.host.spawned.size() == 5);
  f.die(f.node(1), SIGKILL);
  f.wait_until([&] { return restart->is_ended(); }, 1min);
  CHECK(restart->all.back().status == protocol::AnswerStatus::ok);
  CHECK(f.host.spawned.size() == 6);
}

TEST_CASE("fabric: what a process spawned ahead prints is not among the last lines of the one that runs", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  static_cast<void>(f.begin_slow_restart());
  REQUIRE(f.host.spawned.size() == 5);
  f.node(1).events.on_output("from the node");
  f.host.spawned[3]->events.on_output("from the spare");
  f.die(f.node(1), SIGKILL);
  CHECK(f.log.contains("from the spare\n"));
  CHECK(f.log.contains("\n  | from the node"));
  CHECK_FALSE(f.log.contains("| from the spare"));
}

TEST_CASE("fabric: a stop leaves no process that was spawned ahead", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  static_cast<void>(f.begin_slow_restart());
  REQUIRE(f.host.spawned.size() == 5);
  f.fabric->stop("the test ends");
  CHECK_FALSE(f.host.spawned[3]->is_alive);
  CHECK_FALSE(f.host.spawned[4]->is_alive);
  f.pass(f.options.fabric.grace + 1s);
  CHECK(f.end);
  for (const auto& node : f.host.spawned) CHECK_FALSE(node->is_alive);
}

TEST_CASE("fabric: when no process can be started for a new module, the nodes return to the previous one",
          "[cluster]") {
  for (const char* request : {R"({"rolling":true})", R"({"rolling":false})"}) {
    CAPTURE(request);
    FabricFixture f(3);
    f.start_and_wait();
    f.pass(10s);
    f.host.failing_spawns = 1;
    const auto restart = f.request("restart", request);
    f.wait_until([&] { return restart->is_ended(); }, 1min);
    CHECK(restart->all.back().status == protocol::AnswerStatus::failed);
    f.pass(10s);
    const auto nodes = f.ps().nodes;
    REQUIRE(nodes.size() == 3);
    for (const auto& node : nodes) {
      CHECK(node.state == "ready");
      CHECK(node.generation == 1);
    }
  }
}

TEST_CASE("fabric: when after a stop no process can be started at all, a restart and the fabric end with the reason",
          "[cluster]") {
  FabricFixture f(3);
  f.start_and_wait();
  f.pass(10s);
  f.host.failing_spawns = 100;
  const auto restart = f.request("restart", R"({"rolling":false})");
  f.wait_until([&] { return f.end.has_value(); }, 1min);
  REQUIRE(f.end->error);
  CHECK(f.end->error->message == "Cannot start epic-node.");
  REQUIRE(restart->is_ended());
  CHECK(restart->all.back().status == protocol::AnswerStatus::failed);
  CHECK(f.host.spawned.size() == 3);
}

TEST_CASE("fabric: the grace of a slow rolling restart counts for all nodes, and for the extra one", "[cluster]") {
  FabricFixture f(3);
  f.start_and_wait();
  f.pass(10s);
  const pid_t slow = f.node(1).pid;
  f.never_done.insert(slow);
  const auto restart = f.request("restart", R"({"rolling":true})");
  f.wait_until([&] { return f.announced_ago.contains("node-1"); });
  f.pass(4s);
  CHECK(f.announced_ago.at("node-1") < 1s);
  f.die(f.node(1), SIGKILL);  // as if it had ended what ran there
  f.wait_until([&] { return restart->is_ended(); }, 1min);
  for (const char* node : {"node-2", "node-3", "node-4"}) {
    CAPTURE(node);
    CHECK(f.announced_ago.at(node) >= 3s);
  }
}
