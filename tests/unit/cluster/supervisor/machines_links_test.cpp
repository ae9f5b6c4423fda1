// Links between machines: what is said while there is none, or while too much waits.

#include <catch2/catch.hpp>

#include "cluster/supervisor/line_splitter.hpp"
#include "cluster/supervisor/machines.hpp"
#include "support/machines_fixture.hpp"

namespace epic::cluster::test {
namespace {

constexpr std::size_t kKeptMax = KeptMessages<protocol::FromMachine>::kCountMax;

}  // namespace

TEST_CASE("machines: a broken link ends nothing, and what was said meanwhile arrives later, once", "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm"});
  const std::size_t starts = fixture.host.spawned.size();

  fixture.cut("elm");
  fixture.node(3).events.on_log("2023-11-14T22:13:20.000Z info - said without a link");
  fixture.pass(std::chrono::minutes(1));  // longer than a node may be silent
  CHECK(fixture.host.spawned.size() == starts);
  CHECK_FALSE(fixture.log.contains("said without a link"));

  fixture.connect("elm");
  fixture.connect("elm");  // a second link replaces the first
  fixture.pass(std::chrono::minutes(1));
  CHECK(fixture.host.spawned.size() == starts);
  const std::size_t first = fixture.log.find("said without a link");
  REQUIRE(first != std::string::npos);
  CHECK(fixture.log.find("said without a link", first + 1) == std::string::npos);
  fixture.wait_until_level(4);
}

TEST_CASE("machines: a node that ends while there is no link is started again when there is one", "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm"});

  fixture.cut("elm");
  fixture.die(fixture.node(3), SIGSEGV);
  fixture.pass(std::chrono::seconds(10));
  CHECK(fixture.ps().nodes.at(2).state == "silent");

  fixture.connect("elm");
  fixture.wait_until([&] { return fixture.ps().nodes.at(2).restarts == 1; });
  fixture.wait_until_level(4);
}

TEST_CASE("machines: a node that ends after it has written more than its machine keeps is started again", "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm"});

  fixture.cut("elm");
  for (std::size_t i = 0; i <= kKeptMax; ++i) fixture.node(3).events.on_output("said without a link");
  fixture.die(fixture.node(3), SIGSEGV);
  fixture.connect("elm");
  fixture.wait_until([&] { return fixture.ps().nodes.at(2).restarts == 1; });
  fixture.wait_until_level(4);
  CHECK_THAT(fixture.log, Catch::Contains("Lines lost here because the link to the leader was down or too slow: "));
}

TEST_CASE("machines: what is said while the leader is too slow for the log arrives, also over the next link",
          "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm"});

  for (std::size_t i = 0; i < kKeptMax + 100; ++i) fixture.node(3).events.on_output("a flood");
  fixture.pass(std::chrono::seconds(1));
  fixture.node(3).events.on_output("the last words");
  fixture.cut("elm");
  fixture.pass(std::chrono::seconds(1));
  CHECK_FALSE(fixture.log.contains("the last words"));
  fixture.connect("elm");
  CHECK(fixture.log.contains("the last words"));
  CHECK_THAT(fixture.log, Catch::Contains("Lines lost here because the link to the leader was down or too slow: "));
}

TEST_CASE("machines: long lines count by their bytes, and only lines are dropped", "[cluster]") {
  MachinesFixture fixture;
  MachineAgent& agent = *fixture.add("elm").agent;
  std::size_t lines = 0;
  std::size_t ends = 0;
  agent.connect("oak", [&](const protocol::FromMachine& message) {
    if (std::holds_alternative<protocol::NodeWrote>(message)) ++lines;
    if (std::holds_alternative<protocol::NodeEnded>(message)) ++ends;
  });
  agent.on_message(protocol::Welcome{.fabric_id = "/arena/1"});
  agent.on_message(protocol::SpawnNode{.process = protocol::ProcessId{7}, .arguments = {"node-1", "arena"}});
  const std::string line(LineSplitter::kLineBytesMax, 'x');
  constexpr std::size_t kRoom = KeptMessages<protocol::FromMachine>::kTextBytesMax / LineSplitter::kLineBytesMax;
  for (std::size_t i = 0; i < kRoom + 10; ++i) fixture.host.spawned.back()->events.on_output(line);
  CHECK(lines == kRoom);

  fixture.die(*fixture.host.spawned.back(), SIGSEGV);
  CHECK(lines == kRoom + 1);  // how many were lost
  CHECK(ends == 1);
}

TEST_CASE("machines: an order for a process that has ended is answered with its end", "[cluster]") {
  MachinesFixture fixture;
  MachineAgent& agent = *fixture.add("elm").agent;
  std::vector<protocol::ProcessId> ended;
  agent.connect("oak", [&](const protocol::FromMachine& message) {
    if (const auto* end = std::get_if<protocol::NodeEnded>(&message)) ended.push_back(end->process);
  });
  agent.on_message(protocol::Welcome{.fabric_id = "/arena/1"});
  agent.on_message(protocol::SignalNode{.process = protocol::ProcessId{7}, .number = SIGKILL});
  agent.on_message(protocol::ToldNode{protocol::ProcessId{8}, protocol::RunSetup{}});
  CHECK(ended == std::vector{protocol::ProcessId{7}, protocol::ProcessId{8}});
}

TEST_CASE("machines: a node is refused what its machine does not take, and everything else is still sent",
          "[cluster]") {
  FakeHost host;
  Machines machines(host, "oak");
  machines.on_key("elm");
  std::size_t received = 0;
  std::size_t signals = 0;
  const auto greet = [&] {
    protocol::Hello hello;
    hello.machine = "elm";
    hello.leader = "oak";
    hello.received = received;
    return machines
        .greet(hello,
               [&](const protocol::ToMachine& message) {
                 if (std::holds_alternative<protocol::Welcome>(message)) return;
                 ++received;
                 if (std::holds_alternative<protocol::SignalNode>(message)) ++signals;
               })
        .value();
  };
  Machines::Events events;
  events.on_arrived = [](const protocol::Hello&) {};
  machines.open("/arena/1", std::move(events));
  const auto link = greet();
  const auto node = machines.spawn("elm", {"node-1", "arena"}, {});
  std::size_t told = 0;
  while (node->try_send(protocol::RunSetup{})) ++told;
  CHECK(received == told + 2);  // after the notes and the order to start it
  node->kill();
  const auto second = machines.spawn("elm", {"node-2", "arena"}, {});
  CHECK(second->try_send(protocol::Configure{}));
  CHECK(received == told + 5);
  CHECK(signals == 1);

  machines.on_link_lost("elm", link);
  node->kill();
  CHECK(signals == 1);
  static_cast<void>(greet());
  CHECK(signals == 2);
}

}  // namespace epic::cluster::test
