#include "cluster/supervisor/fabric.hpp"

#include <signal.h>

#include <catch2/catch.hpp>
#include <string>

#include "support/fabric_fixture.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::cluster::test::FabricFixture;
using epic::cluster::test::FakeNode;
using epic::kernel::NodeId;
namespace protocol = epic::protocol;
namespace storage = epic::storage;

TEST_CASE("fabric: it is ready when the store and the nodes have every shard, and then setup runs once", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  CHECK(f.ready->nodes.size() == 2);
  CHECK(f.setups == 1);
  const auto rows = f.store.shards();
  REQUIRE(rows);
  CHECK(rows->size() == 8);
  const auto nodes = f.ps().nodes;
  REQUIRE(nodes.size() == 2);
  for (const auto& node : nodes) {
    CHECK(node.state == "ready");
    CHECK(node.shards == 4);
  }
  CHECK(f.ps().setup == "done");
  f.pass(1min);  // nodes that beat are left alone
  CHECK(f.host.spawned.size() == 2);
}

TEST_CASE("fabric: a node that dies loses its shards at once, and is started again after its backoff", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(1min);
  f.die(f.node(2), SIGSEGV);
  CHECK(f.host.removed_sockets.size() == 1);
  CHECK(f.ps().nodes.at(0).shards == 8);
  CHECK(f.ps().nodes.at(1).state == "backoff");
  CHECK(f.ps().nodes.at(1).last_exit == "was killed by signal 11 (SIGSEGV)");

  f.pass(f.options.restart.delay_first - 1ms);
  CHECK(f.host.spawned.size() == 2);
  f.pass(1ms);
  CHECK(f.host.spawned.size() == 3);
  f.pass(10s);
  CHECK(f.ps().nodes.at(1).state == "ready");
  CHECK(f.ps().nodes.at(1).shards == 4);
  CHECK(f.setups == 1);
}

TEST_CASE("fabric: when a node says that none can go on with the store, the fabric ends at once and says why",
          "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(1min);
  f.node(2).events.on_message(
      protocol::StartFailed{.message = "The log was cut off.", .hint = {}, .ends_fabric = true});
  f.wait_until([&] { return f.end.has_value(); }, 1s);
  CHECK(f.end->exit_code == kExitFailed);
  REQUIRE(f.end->error.has_value());
  CHECK(f.end->error->message == "The log was cut off.");
  CHECK_FALSE(f.node(1).is_alive);
  f.pass(1min);
  CHECK(f.host.spawned.size() == 2);
  const auto rows = f.store.shards();
  REQUIRE(rows);
  for (const auto& row : *rows) CHECK(row.node != NodeId{0});  // nothing more was written
}

TEST_CASE("fabric: a damaged store ends it before it is ready, however it was started", "[cluster]") {
  FabricFixture f;
  f.options.after_setup = GENERATE(AfterSetup::keep_running, AfterSetup::exit);
  f.store_error = {.code = storage::StoreErrorCode::corrupt,
                   .message = "The database is malformed. Nothing was done. Remove it: `rm x`. Run again."};
  f.start();
  f.wait_until([&] { return f.end.has_value(); }, 1s);
  CHECK(f.end->exit_code == kExitFailed);
  REQUIRE(f.end->error.has_value());
  CHECK(f.end->error->message == "The database is malformed. Nothing was done.");
  CHECK(f.end->error->hint == "Remove it: `rm x`. Run again.");
  CHECK_FALSE(f.ready.has_value());
}

TEST_CASE("fabric: a silent node keeps its shards until it has been killed", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  const pid_t pid = f.node(2).pid;
  f.paused.insert(pid);
  f.pass(f.options.silence_max - 200ms);
  CHECK(f.ps().nodes.at(1).pid == pid);
  CHECK(f.ps().nodes.at(1).shards == 4);
  CHECK(f.ps().nodes.at(1).state == "silent");
  f.pass(600ms);
  CHECK(f.log.find("node-2 has been silent for more than 5000ms: killing it.") != std::string::npos);
  CHECK(f.node(2).pid != pid);
}

TEST_CASE("fabric: a drained node gives up its shards, then stops, and the request is answered, without waiting",
          "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  const auto drain = f.request("drain", R"({"node":"node-1"})");
  REQUIRE(drain->is_ended());  // no time has passed
  CHECK(drain->all.back().status == protocol::AnswerStatus::ok);
  CHECK_FALSE(f.node(1).is_alive);
  CHECK(f.ps().nodes.at(0).state == "stopped");
  CHECK(f.ps().nodes.at(1).shards == 8);
  f.pass(1min);
  CHECK(f.host.spawned.size() == 2);
}

TEST_CASE("fabric: a request to drain or scale that finds nothing to do is answered at once", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  REQUIRE(f.request("drain", R"({"node":"node-1"})")->is_ended());
  const auto again = f.request("drain", R"({"node":"node-1"})");
  REQUIRE(again->is_ended());  // no time has passed
  CHECK(again->all.back().status == protocol::AnswerStatus::ok);
  f.request("scale", R"({"nodes":2})");
  f.wait_until([&] { return f.ps().nodes.at(0).state == "ready"; });
  const auto scale = f.request("scale", R"({"nodes":2})");
  REQUIRE(scale->is_ended());
  CHECK(scale->all.back().status == protocol::AnswerStatus::ok);
}

TEST_CASE("fabric: a request to drain or scale that is refused is answered once, and leaves the one before waiting",
          "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.never_done.insert(f.node(1).pid);
  const auto drain = f.request("drain", R"({"node":"node-1"})");
  CHECK_FALSE(drain->is_ended());
  const auto refused = f.request("drain", R"({"node":"node-2"})");  // the only one that stays
  REQUIRE(refused->is_ended());
  CHECK(refused->all.size() == 1);
  CHECK(refused->all.back().status == protocol::AnswerStatus::failed);
  f.pass(200ms);
  CHECK_FALSE(drain->is_ended());
  f.die(f.node(1), SIGKILL);
  f.wait_until([&] { return drain->is_ended(); });
  CHECK(drain->all.back().status == protocol::AnswerStatus::ok);
}

TEST_CASE("fabric: a request to scale is answered when a node that it adds cannot be spawned and the fabric ends",
          "[cluster]") {
  FabricFixture f(1);
  f.paused.insert(1001);  // the first process, which never becomes ready
  f.start();
  REQUIRE(f.node(1).pid == 1001);
  f.die(f.node(1), SIGKILL);  // another is to be started later
  REQUIRE(f.ps().nodes.at(0).state == "backoff");
  f.host.failing_spawns = 1;
  const auto scale = f.request("scale", R"({"nodes":2})");
  f.wait_until([&] { return f.end.has_value(); });
  REQUIRE(scale->is_ended());
  CHECK(scale->all.back().status == protocol::AnswerStatus::failed);
}

TEST_CASE("fabric: shards that a drained node releases together are granted and published together", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  REQUIRE(f.ps().nodes.at(0).shards == 4);
  const int before = f.maps.at(f.node(2).pid);
  const auto drain = f.request("drain", R"({"node":"node-1"})");
  f.wait_until([&] { return drain->is_ended(); });
  CHECK(f.ps().nodes.at(1).shards == 8);
  CHECK(f.maps.at(f.node(2).pid) - before == 2);  // one with the shards, one when node-1 has left
}

TEST_CASE("fabric: an ordered stop ends when every node has left", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  const auto stop = f.request("stop");
  REQUIRE(f.end);
  CHECK(f.end->exit_code == kExitOk);
  CHECK_FALSE(f.end->error);
  CHECK(stop->is_ended());
  for (const auto& node : f.host.spawned) CHECK_FALSE(node->is_alive);
}

TEST_CASE("fabric: a node that has not stopped within the grace is killed, and the end names it", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.never_done.insert(f.node(1).pid);
  f.fabric->stop("the test ends");
  f.pass(f.options.fabric.grace);
  CHECK_FALSE(f.end);
  CHECK(f.log.find("node-1 has not finished yet") != std::string::npos);
  f.pass(500ms);
  REQUIRE(f.end);
  CHECK(f.end->exit_code == kExitFailed);
  REQUIRE(f.end->error);
  CHECK_THAT(f.end->error->message, Catch::StartsWith("node-1"));
}

TEST_CASE("fabric: a node that a stop kills before it is a member is not said to lack anything", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.paused.insert(f.host.spawned.back()->pid + 1);  // the next one says nothing by itself
  f.request("scale", R"({"nodes":3})");
  FakeNode& node = f.node(3);
  node.events.on_message(
      protocol::Ready{.pid = node.pid, .version = f.options.version, .abi_tag = {}, .speaks = protocol::kSpoken});
  f.host.post([&] { f.fabric->stop("the test ends"); });  // it has its lease by then, and no key yet
  f.wait_until([&] { return f.end.has_value(); });
  CHECK_FALSE(node.is_alive);
  CHECK(f.log.find("node-3 was killed") != std::string::npos);
  CHECK(f.end->exit_code == kExitOk);
}

TEST_CASE("fabric: it ends when its directory is gone", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.host.is_in_place = false;
  f.wait_until([&] { return f.end.has_value(); });
  CHECK(f.end->exit_code == kExitFailed);
  CHECK(f.end->error->message == "/arena/.epic was moved away or deleted while the fabric ran.");
}

TEST_CASE("fabric: one that is destroyed in the middle of its life leaves no process", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.fabric.reset();
  for (const auto& node : f.host.spawned) CHECK_FALSE(node->is_alive);
}

TEST_CASE("fabric: an entity in whose turn nodes exit by themselves is quarantined", "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 3; ++death) {
    CHECK(f.ps().quarantined.empty());
    f.die_in_turn(Crash::Source::turn, [&] { f.exit(f.node(1), 3); });
  }
  CHECK_THAT(f.log, Catch::Contains("node-1 exited with code 3 while it ran Bomb/x.poke."));
  CHECK_THAT(f.log, Catch::Contains("Bomb/x is quarantined: 3 nodes died while they ran Bomb/x.poke"));
  REQUIRE(f.ps().quarantined.size() == 1);
  CHECK(f.ps().quarantined.front().entity == "Bomb/x");
}

TEST_CASE("fabric: many entities that kill their node make no restart of it wait longer", "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 10; ++death) {
    f.node(1).crash = Crash{.entity = "Bomb/" + std::to_string(death), .method = "poke", .frames = {}};
    const std::size_t spawned = f.host.spawned.size();
    f.die(f.node(1), SIGSEGV);
    f.pass(f.options.restart.delay_first - 1ms);
    CHECK(f.host.spawned.size() == spawned);
    f.pass(1ms);
    CHECK(f.host.spawned.size() == spawned + 1);
    f.wait_until([&] { return f.ps().nodes.at(0).state == "ready"; });
  }
  CHECK(f.ps().quarantined.empty());
}

TEST_CASE("fabric: an entity whose short turns are hit by SIGKILL is named and not quarantined", "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 10; ++death) f.die_in_turn(Crash::Source::turn, [&] { f.die(f.node(1), SIGKILL); });
  CHECK_THAT(f.log, Catch::Contains("node-1 was killed by signal 9 (SIGKILL) while it ran Bomb/x.poke. epic did not"));
  CHECK(f.ps().quarantined.empty());
}

TEST_CASE("fabric: an entity whose long turns end by SIGKILL, as those that use up the memory do, is quarantined",
          "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 3; ++death) f.die_in_turn(Crash::Source::long_turn, [&] { f.die(f.node(1), SIGKILL); });
  CHECK(f.ps().quarantined.size() == 1);
}

TEST_CASE("fabric: what a node runs when a person or epic kills it for something else is not named", "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 4; ++death)
    f.die_in_turn(Crash::Source::long_turn, [&] { f.request("kill", R"({"node":"node-1"})"); });
  f.die_in_turn(Crash::Source::turn, [&] {
    f.paused.insert(f.node(1).pid);
    f.wait_until([&] { return f.log.find("has been silent") != std::string::npos; });
    f.pass(1ms);
  });
  CHECK(f.log.find("Bomb/x") == std::string::npos);
}

TEST_CASE("fabric: a node that runs another program is killed before it counts as silent, and its entity is named",
          "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 3; ++death)
    f.die_in_turn(Crash::Source::turn, [&] {
      const pid_t pid = f.node(1).pid;
      f.paused.insert(pid);
      f.node(1).events.on_cut_off();
      f.pass(Fleet::kReportTimeout - 1ms);
      CHECK(f.ps().nodes.at(0).pid == pid);  // it might have been about to end
      f.pass(1ms);
    });
  CHECK_THAT(f.log, Catch::Contains("was killed by signal 9 (SIGKILL) (has closed its connection to the supervisor, or "
                                    "runs another program) while it ran Bomb/x.poke."));
  CHECK(f.ps().quarantined.size() == 1);
}
