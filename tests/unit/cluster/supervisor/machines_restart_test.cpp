// Restarts of a fabric on several machines.

#include <algorithm>
#include <catch2/catch.hpp>

#include "support/machines_fixture.hpp"

namespace epic::cluster::test {
namespace {

bool has_started(const MachinesFixture& fixture, const std::string& node) {
  return std::ranges::any_of(fixture.host.spawned,
                             [&](const auto& one) { return one->program.arguments.front() == node; });
}

}  // namespace

TEST_CASE("machines: a rolling restart starts no node on a machine that goes meanwhile", "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm"});
  fixture.pass(std::chrono::minutes(1));
  fixture.never_done.insert(fixture.node(3).pid);
  static_cast<void>(fixture.request("restart", R"({"rolling":true})"));
  fixture.wait_until([&] { return fixture.announced_ago.contains("node-3"); });

  fixture.lose("elm");
  fixture.pass(std::chrono::minutes(1));
  fixture.wait_until_level(2);
  CHECK(fixture.ps().nodes.at(1).generation == 2);
}

TEST_CASE("machines: a rolling restart starts no node on a machine that leaves meanwhile", "[cluster]") {
  const bool is_last_slow = GENERATE(false, true);  // the last node to leave has been asked before, or has not
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  auto& elm = fixture.add("elm");
  fixture.wait_until_level(4);
  fixture.pass(std::chrono::minutes(1));
  FakeNode& slow = fixture.node(3);
  FakeNode& last = fixture.node(4);
  fixture.never_done.insert(slow.pid);
  if (is_last_slow) fixture.never_done.insert(last.pid);
  const auto restarted = fixture.request("restart", R"({"rolling":true})");
  fixture.wait_until([&] { return fixture.announced_ago.contains("node-3"); });

  const std::size_t started = fixture.configured.size();
  elm.agent->leave();
  fixture.wait_until([&] { return fixture.announced_ago.contains("node-4"); });
  fixture.release(slow);
  fixture.wait_until([&] { return !slow.is_alive; });
  fixture.pass(std::chrono::milliseconds(500));
  CHECK(elm.dismissed.has_value() != is_last_slow);
  if (is_last_slow) fixture.release(last);
  fixture.wait_until([&] { return elm.dismissed.has_value(); });
  CHECK_FALSE(elm.dismissed->is_error);
  fixture.wait_until([&] { return restarted->is_ended(); });
  CHECK(restarted->all.back().status == AnswerStatus::ok);
  CHECK(fixture.configured.size() == started);
  fixture.wait_until_level(2);
  CHECK(fixture.ps().nodes.at(1).generation == 2);
}

TEST_CASE("machines: a restart is refused when no node is left to restart", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak", 1);
  fixture.lead("oak");
  fixture.add("elm", 1);
  fixture.wait_until_level(2);
  const auto drained = fixture.request("drain", R"({"node":"node-1"})");
  fixture.wait_until([&] { return drained->is_ended(); });
  fixture.lose("elm");
  fixture.wait_until([&] { return fixture.log.contains("node-2 was lost with its machine."); });

  for (const auto* const way : {R"({"rolling":true})", R"({"rolling":false})"}) {
    const auto restarted = fixture.request("restart", way);
    REQUIRE(restarted->is_ended());
    CHECK(restarted->all.back().status == AnswerStatus::failed);
    CHECK_THAT(restarted->all.back().body, Catch::Contains("There is no node to restart"));
  }
  CHECK(fixture.modules.newest == Generation{1});

  static_cast<void>(fixture.request("scale", R"({"nodes":1})"));
  fixture.wait_until_level(1);
}

TEST_CASE("machines: a rolling restart whose nodes all go with their machine leaves the extra one", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak", 1);
  fixture.lead("oak");
  fixture.add("elm", 1);
  fixture.wait_until_level(2);
  const auto drained = fixture.request("drain", R"({"node":"node-1"})");
  fixture.wait_until([&] { return drained->is_ended(); });
  fixture.never_done.insert(fixture.node(2).pid);
  const auto restarted = fixture.request("restart", R"({"rolling":true})");
  fixture.wait_until([&] { return fixture.announced_ago.contains("node-2"); });

  fixture.lose("elm");
  fixture.wait_until([&] { return restarted->is_ended(); });
  CHECK(restarted->all.back().status == AnswerStatus::ok);
  fixture.wait_until([&] {
    const auto nodes = fixture.ps().nodes;
    return nodes.back().state == "ready" && nodes.back().shards == fixture.options.shard_count;
  });
}

TEST_CASE("machines: a node that was drained stays away after a rolling restart, also under the next leader",
          "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak", 1);
  fixture.lead("oak");
  fixture.add("ash");
  fixture.add("elm");
  fixture.wait_until_level(5);
  fixture.pass(std::chrono::minutes(1));
  const auto drained = fixture.request("drain", R"({"node":"node-5"})");
  fixture.wait_until([&] { return drained->is_ended(); });
  const auto restarted = fixture.request("restart", R"({"rolling":true})");
  fixture.wait_until([&] { return restarted->is_ended(); });
  CHECK(restarted->all.back().status == AnswerStatus::ok);
  const auto find_state = [&](const std::string& node) {
    const auto nodes = fixture.ps().nodes;
    const auto found = std::ranges::find(nodes, node, &control::Ps::Node::node);
    return found == nodes.end() ? std::string() : found->state;
  };
  CHECK(find_state("node-5") == "stopped");
  CHECK(find_state("node-6").empty());

  fixture.lose_leader();
  const std::size_t started = fixture.host.spawned.size();
  fixture.lead("elm");
  fixture.pass(std::chrono::minutes(1));
  for (const auto* const node : {"node-2", "node-3", "node-4"}) CHECK(find_state(node) == "ready");
  CHECK(find_state("node-5") == "stopped");
  CHECK(fixture.host.spawned.size() == started);
}

TEST_CASE("machines: a rolling restart is ended by the next leader, and no older node gets a shard that a newer had",
          "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm", "ash"});
  fixture.pass(std::chrono::minutes(1));
  FakeNode& slow = fixture.node(3);
  fixture.never_done.insert(slow.pid);
  static_cast<void>(fixture.request("restart", R"({"rolling":true})"));
  fixture.wait_until([&] { return fixture.announced_ago.contains("node-3"); });
  CHECK(fixture.ps().nodes.at(0).generation == 2);
  CHECK(fixture.ps().nodes.at(2).generation == 1);

  fixture.lose_leader();  // and all nodes with the new module
  fixture.lead("ash");
  fixture.release(slow);
  fixture.wait_until(
      [&] {
        const auto nodes = fixture.ps().nodes;
        return nodes.size() == 4 && std::ranges::all_of(nodes, [](const auto& node) {
                 return node.generation == 2 && node.state == "ready" && node.shards > 0;
               });
      },
      std::chrono::minutes(2));
  CHECK_THAT(fixture.log, Catch::Contains("goes on, with generation 2 of the module"));
}

TEST_CASE("machines: a module that comes after another restart is newer than the one of that restart", "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm"});
  const auto slow = fixture.request("restart", R"({"rolling":true,"module":"of elm","address":"/elm"})");
  REQUIRE(fixture.fetches.size() == 1);
  const auto quick = fixture.request("restart", R"({"rolling":true})");
  fixture.wait_until([&] { return quick->is_ended(); });
  CHECK(quick->all.back().status == AnswerStatus::ok);
  const pid_t former = fixture.node(3).pid;

  fixture.deliver_module();
  fixture.wait_until([&] { return slow->is_ended(); });
  CHECK(slow->all.back().status == AnswerStatus::ok);
  CHECK(fixture.node(3).pid != former);
  for (const auto& node : fixture.ps().nodes) CHECK(node.generation == 3);
}

TEST_CASE("machines: one that joins while all nodes stop gets its own when they have started again", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.wait_until_level(2);
  FakeNode& slow = fixture.node(1);
  fixture.never_done.insert(slow.pid);
  const auto restarted = fixture.request("restart", R"({"rolling":false})");

  fixture.add("elm");
  CHECK_FALSE(has_started(fixture, "node-3"));
  fixture.exit(slow, 0);
  fixture.wait_until_level(4);
  CHECK(restarted->is_ended());
}

TEST_CASE("machines: one that joins and leaves while all nodes stop gets none when they have started again",
          "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.wait_until_level(2);
  FakeNode& slow = fixture.node(1);
  fixture.never_done.insert(slow.pid);
  static_cast<void>(fixture.request("restart", R"({"rolling":false})"));

  auto& elm = fixture.add("elm");
  elm.agent->leave();
  fixture.wait_until([&] { return elm.dismissed.has_value(); });
  fixture.exit(slow, 0);
  fixture.wait_until_level(2);
  CHECK_FALSE(has_started(fixture, "node-3"));
}

}  // namespace epic::cluster::test
