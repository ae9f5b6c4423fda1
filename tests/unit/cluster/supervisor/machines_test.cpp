#include "cluster/supervisor/machines.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "cluster/supervisor/fabric_trail.hpp"
#include "cluster/supervisor/line_splitter.hpp"
#include "cluster/supervisor/takeover.hpp"
#include "support/machines_fixture.hpp"

namespace epic::cluster::test {
namespace {

constexpr std::size_t kKeptMax = KeptMessages<protocol::FromMachine>::kCountMax;

std::size_t count_starts(const MachinesFixture& fixture) { return fixture.host.spawned.size(); }

std::map<std::uint32_t, kernel::Epoch> epochs(MachinesFixture& fixture) {
  std::map<std::uint32_t, kernel::Epoch> all;
  for (const auto& row : fixture.store.shards().value()) all[row.shard.value] = row.epoch;
  return all;
}

std::size_t count_alive(const MachinesFixture& fixture, const std::string& node) {
  return static_cast<std::size_t>(std::ranges::count_if(
      fixture.host.spawned, [&](const auto& one) { return one->is_alive && one->program.arguments.front() == node; }));
}

}  // namespace

TEST_CASE("machines: nodes of a machine that joins get shards, and have numbers of their own", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.wait_until_level(2);
  CHECK(fixture.setups == 1);

  fixture.add("elm", 3);
  fixture.wait_until_level(5);
  const auto nodes = fixture.ps().nodes;
  CHECK(nodes.at(0).node == "node-1");
  CHECK(nodes.at(4).node == "node-5");
  CHECK(nodes.at(0).machine == "oak");
  CHECK(nodes.at(4).machine == "elm");
  CHECK(fixture.setups == 1);
}

TEST_CASE("machines: a broken link ends nothing, and what was said meanwhile arrives later, once", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.wait_until_level(4);
  const std::size_t starts = count_starts(fixture);

  fixture.cut("elm");
  fixture.node(3).events.on_log("2023-11-14T22:13:20.000Z info - said without a link");
  fixture.pass(std::chrono::minutes(1));  // longer than a node may be silent
  CHECK(count_starts(fixture) == starts);
  CHECK_FALSE(fixture.log.contains("said without a link"));

  fixture.connect("elm");
  fixture.connect("elm");  // a second link replaces the first
  fixture.pass(std::chrono::minutes(1));
  CHECK(count_starts(fixture) == starts);
  const std::size_t first = fixture.log.find("said without a link");
  REQUIRE(first != std::string::npos);
  CHECK(fixture.log.find("said without a link", first + 1) == std::string::npos);
  fixture.wait_until_level(4);
}

TEST_CASE("machines: a node that ends while there is no link is started again when there is one", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.wait_until_level(4);

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
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.wait_until_level(4);

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
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.wait_until_level(4);

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

TEST_CASE("machines: when a machine's key is gone its shards go to the others, and its nodes are forgotten",
          "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.wait_until_level(4);
  const std::size_t starts = count_starts(fixture);

  fixture.lose("elm");
  fixture.wait_until_level(2);
  CHECK(count_starts(fixture) == starts);
  CHECK(fixture.log.contains("node-3 was lost with its machine."));

  fixture.add("ash", 1);  // gets a number that is free again
  fixture.wait_until_level(3);
  CHECK(fixture.ps().nodes.at(2).node == "node-3");
}

TEST_CASE("machines: one that leaves gives back its shards first", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  auto& elm = fixture.add("elm");
  fixture.wait_until_level(4);

  elm.agent->leave();
  fixture.wait_until([&] { return elm.dismissed.has_value(); });
  CHECK_FALSE(elm.dismissed->is_error);
  CHECK_FALSE(elm.agent->has_processes());
  fixture.wait_until_level(2);
  CHECK(fixture.log.contains("node-4 has stopped."));
  CHECK_FALSE(fixture.log.contains("was killed"));
}

TEST_CASE("machines: the number of a node that was no member when its machine left gets shards again", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  auto& elm = fixture.add("elm");
  fixture.wait_until_level(4);

  fixture.die(fixture.node(3), SIGKILL);
  fixture.wait_until([&] { return fixture.ps().nodes.at(2).state == "backoff"; });
  elm.agent->leave();
  fixture.wait_until([&] { return elm.dismissed.has_value(); });
  fixture.wait_until_level(2);

  fixture.add("ash");
  fixture.wait_until_level(4);
}

TEST_CASE("machines: one that has its state elsewhere is refused, and the fabric goes on", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.options.store = storage::StoreAddress::parse("postgresql://db.example/another");
  auto& elm = fixture.add("elm");
  fixture.wait_until([&] { return elm.dismissed.has_value(); });
  CHECK(elm.dismissed->is_error);
  CHECK_THAT(elm.dismissed->why, Catch::Contains("postgresql://db.example/another"));
  fixture.wait_until_level(2);
}

TEST_CASE("machines: the next leader goes on with the nodes that live, and gives away what the others had",
          "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.add("ash");
  fixture.wait_until_level(6);
  fixture.pass(std::chrono::minutes(1));
  const auto before = epochs(fixture);
  const auto rows = fixture.store.shards().value();
  const std::size_t starts = count_starts(fixture);

  fixture.lose_leader();
  fixture.pass(std::chrono::seconds(10));
  fixture.lead("elm");
  fixture.wait_until_level(4);
  CHECK(count_starts(fixture) == starts);
  CHECK(fixture.setups == 1);
  for (const auto& row : fixture.store.shards().value()) {
    INFO("shard " << row.shard.value);
    const bool was_lost = rows.at(row.shard.value).node.value <= 2;
    CHECK(row.term > rows.at(row.shard.value).term);
    CHECK(row.node.value > 2);
    if (!was_lost) CHECK(row.incarnation == rows.at(row.shard.value).incarnation);
  }

  fixture.add("fir");
  fixture.wait_until_level(6);
  CHECK(fixture.ps().nodes.at(0).machine == "fir");
}

TEST_CASE("machines: the next leader knows from whom shards come, though their machine is gone", "[cluster]") {
  const std::vector<storage::Store::ShardRow> rows{
      {.shard = kernel::ShardId{0}, .node = kernel::NodeId{3}, .incarnation = kernel::Incarnation{7}},
      {.shard = kernel::ShardId{1}, .node = kernel::NodeId{4}, .incarnation = kernel::Incarnation{8}}};
  protocol::LiveNode living{};
  living.node = kernel::NodeId{4};
  living.incarnation = kernel::Incarnation{8};
  protocol::Hello elm{};
  elm.fabric_id = "/arena/1";
  elm.live.push_back(living);
  const Takeover takeover = plan_takeover(rows, {&elm, 1}, /*shard_count=*/3, "/arena/2");
  CHECK(takeover.shards.owners == std::vector{kernel::NodeId{0}, kernel::NodeId{4}, kernel::NodeId{0}});

  FabricTrail trail;
  trail.go_on({}, takeover.last_owners);
  kernel::ShardMap map;
  map.owners = {kernel::NodeId{4}, kernel::NodeId{4}, kernel::NodeId{4}};
  trail.on_map(map, {});
  const auto events = trail.list(0, std::nullopt);
  REQUIRE(events.size() == 2);
  CHECK(events[0].event.why == "shard 2 came for the first time");
  CHECK(events[1].event.why == "shard 0 came from node-3");
}

TEST_CASE("machines: a move that a leader has begun is ended by the next", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.add("ash");
  fixture.wait_until_level(6);
  fixture.pass(std::chrono::minutes(1));
  FakeNode& slow = fixture.node(3);
  fixture.never_done.insert(slow.pid);
  const auto drained = fixture.request("drain", R"({"node":"node-3"})");
  fixture.wait_until([&] { return fixture.announced_ago.contains("node-3"); });

  fixture.lose_leader();
  fixture.lead("ash");
  fixture.pass(std::chrono::seconds(1));
  const auto of_slow = [&] {
    std::size_t shards = 0;
    for (const auto& row : fixture.ps().nodes)
      if (row.node == "node-3") shards = row.shards;
    return shards;
  };
  const std::size_t held = of_slow();
  CHECK(held > 0);
  fixture.release(slow);  // what it was asked for by the former leader
  const auto is_drained = [&] {
    const auto nodes = fixture.ps().nodes;
    const auto drained = std::ranges::find(nodes, "node-3", &control::Ps::Node::node);
    return drained != nodes.end() && drained->state == "stopped" && of_slow() == 0;
  };
  fixture.wait_until(is_drained);

  fixture.add("fir");
  fixture.lose_leader();
  const std::size_t starts = count_starts(fixture);
  fixture.lead("elm");
  fixture.pass(std::chrono::minutes(1));
  CHECK(is_drained());  // and the one after it knows, too
  CHECK(count_starts(fixture) == starts);
}

TEST_CASE("machines: an entity in quarantine stays there under the next leader", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.wait_until_level(4);
  const auto die = [&] {
    fixture.node(3).crash = Crash{.entity = "Bomb/x", .method = "poke", .frames = {}, .source = Crash::Source::turn};
    fixture.exit(fixture.node(3), 3);
    fixture.wait_until([&] { return fixture.ps().nodes.at(2).state == "ready"; });
  };
  for (int death = 0; death < 2; ++death) die();
  fixture.add("ash");
  die();
  REQUIRE(fixture.ps().quarantined.size() == 1);

  fixture.lose_leader();
  fixture.pass(std::chrono::seconds(4));
  fixture.lead("elm");
  const auto kept = fixture.ps().quarantined;
  REQUIRE(kept.size() == 1);
  CHECK(kept.front().entity == "Bomb/x");
  CHECK(kept.front().method == "poke");
  CHECK(kept.front().deaths == 3);
  CHECK(kept.front().next_attempt_s > 0);
  CHECK(kept.front().next_attempt_s <= 6);

  CHECK(fixture.request("release", R"({"entity":"Bomb/x"})")->all.back().status == AnswerStatus::ok);
  fixture.pass(std::chrono::seconds(1));
  fixture.add("fir");
  fixture.lose_leader();
  fixture.lead("ash");
  CHECK(fixture.ps().quarantined.empty());
}

TEST_CASE("machines: a process that is not ready ends when there is another leader, which does not know it",
          "[cluster]") {
  MachinesFixture fixture;
  MachineAgent& agent = *fixture.add("elm").agent;
  const auto hear_nothing = [](const protocol::FromMachine&) {};
  agent.connect("oak", hear_nothing);
  agent.on_message(protocol::Welcome{.fabric_id = "/arena/1"});
  agent.on_message(protocol::SpawnNode{.process = protocol::ProcessId{7}, .arguments = {"node-1", "arena"}});
  agent.disconnect();
  agent.connect("oak", hear_nothing);
  CHECK(count_alive(fixture, "node-1") == 1);

  agent.disconnect();
  agent.connect("ash", hear_nothing);
  CHECK(count_alive(fixture, "node-1") == 0);
}

TEST_CASE("machines: what a node is told waits, in order, until its machine has the module", "[cluster]") {
  MachinesFixture fixture;
  auto& elm = fixture.add("elm");
  elm.is_slow = true;
  MachineAgent& agent = *elm.agent;
  std::string said;
  agent.connect("oak", [&](const protocol::FromMachine& message) {
    if (const auto* wrote = std::get_if<protocol::NodeWrote>(&message)) said += wrote->text;
  });
  agent.on_message(protocol::Welcome{.fabric_id = "/arena/1"});
  const auto start = [&](std::uint64_t process) -> FakeNode& {
    const protocol::ProcessId id{process};
    agent.on_message(protocol::SpawnNode{.process = id, .arguments = {"node-1", "arena"}});
    protocol::Configure configure;
    configure.node = kernel::NodeId{1};
    configure.project_directory = "/theirs";
    configure.module_origin.digest = "x";
    agent.on_message(protocol::ToldNode{id, std::move(configure)});
    agent.on_message(protocol::ToldNode{id, protocol::RunSetup{}});
    return *fixture.host.spawned.back();
  };
  FakeNode& first = start(7);
  CHECK(first.inbox.empty());
  REQUIRE(elm.waiting.size() == 1);
  elm.waiting[0]("/elm/x.so");
  REQUIRE(first.inbox.size() == 2);
  const auto& configure = std::get<protocol::Configure>(first.inbox[0]);
  CHECK(configure.module_path == "/elm/x.so");
  CHECK(configure.project_directory == elm.options.project_directory.string());
  CHECK(std::holds_alternative<protocol::RunSetup>(first.inbox[1]));

  FakeNode& second = start(8);
  elm.waiting[1](std::unexpected(SupervisorError{"It did not come.", {}, {}}));
  CHECK(second.signal == SIGKILL);
  CHECK_THAT(said, Catch::Contains("It did not come."));

  start(9);
  agent.on_message(protocol::DropNode{protocol::ProcessId{9}});
  elm.waiting[2]("/elm/x.so");  // nobody waits for it
}

TEST_CASE("machines: of a leader of a former version the module is where it says, and has a digest from then on",
          "[cluster]") {
  MachinesFixture fixture;
  MachineAgent& agent = *fixture.add("elm").agent;
  const auto hear_nothing = [](const protocol::FromMachine&) {};
  agent.connect("oak", hear_nothing);
  agent.on_message(protocol::Welcome{.fabric_id = "/arena/1"});
  const protocol::ProcessId id{7};
  agent.on_message(protocol::SpawnNode{.process = id, .arguments = {"node-1", "arena"}});
  protocol::Configure configure;
  configure.node = kernel::NodeId{1};
  configure.module_path = "/oak/arena-1.so";
  configure.module_origin.generation = 1;
  agent.on_message(protocol::ToldNode{id, std::move(configure)});
  FakeNode& node = *fixture.host.spawned.back();
  REQUIRE(node.inbox.size() == 1);
  CHECK(std::get<protocol::Configure>(node.inbox[0]).module_path == "copy of /oak/arena-1.so");
  node.events.on_message(protocol::Ready{.pid = node.pid, .version = "0.0.1", .abi_tag = {}});

  agent.disconnect();
  std::string digest;
  agent.connect("ash", [&](const protocol::FromMachine& message) {
    if (const auto* hello = std::get_if<protocol::Hello>(&message)) digest = hello->live.at(0).module.digest;
  });
  CHECK(digest == "copy of /oak/arena-1.so");
}

TEST_CASE("machines: only a leader that knows it hears that nobody waits for an answer any longer", "[cluster]") {
  struct Client final : ControlReply::Sink {
    void send(const protocol::ControlAnswer&) override {}
    [[nodiscard]] bool is_open() const override { return is_there; }
    [[nodiscard]] bool has_room() const override { return true; }
    bool is_there = true;
  };
  for (const protocol::Spoken leader : {protocol::Spoken{}, protocol::kSpoken}) {
    MachinesFixture fixture;
    MachineAgent& agent = *fixture.add("elm").agent;
    int given_up = 0;
    agent.connect("oak", [&](const protocol::FromMachine& message) {
      if (std::holds_alternative<protocol::MachineGaveUp>(message)) ++given_up;
    });
    agent.on_message(protocol::Welcome{.fabric_id = "/arena/1", .speaks = leader});
    const auto client = std::make_shared<Client>();
    agent.ask({.id = 1, .verb = "logs", .body = "{}"}, ControlReply(client, 1));
    client->is_there = false;
    fixture.pass(std::chrono::seconds(2));
    CHECK(given_up == (leader == protocol::kSpoken ? 1 : 0));
  }
}

TEST_CASE("machines: the next leader knows the module of the newest nodes, and a machine that has it", "[cluster]") {
  const auto machine = [](std::string name, std::uint32_t generation, std::string digest) {
    protocol::Hello hello;
    hello.machine = std::move(name);
    hello.fabric_id = "/arena/1";
    hello.notes = {.number = 1, .generation = 2, .module = "two"};
    protocol::LiveNode& node = hello.live.emplace_back();
    node.node = kernel::NodeId{1};
    node.incarnation = kernel::Incarnation{generation};
    node.module = {.generation = generation, .digest = std::move(digest)};
    return hello;
  };
  const std::vector two{machine("oak", 2, "two"), machine("elm", 1, "one")};
  CHECK(plan_takeover({}, two, 8, "").module == "two");
  CHECK(plan_takeover({}, two, 8, "").module_at == "oak");
  const std::vector newer{machine("oak", 2, "two"), machine("elm", 3, "three")};
  CHECK(plan_takeover({}, newer, 8, "").module == "three");
  CHECK(plan_takeover({}, newer, 8, "").module_at == "elm");
  const std::vector former{machine("oak", 2, "two"), machine("elm", 2, "")};
  CHECK(plan_takeover({}, former, 8, "").module == "two");
  CHECK(plan_takeover({}, former, 8, "").module_at == "oak");
  const std::vector lost{machine("elm", 1, "one")};
  CHECK(plan_takeover({}, lost, 8, "").module == "two");
  CHECK(plan_takeover({}, lost, 8, "").module_at.empty());
}

TEST_CASE("machines: what is asked about nodes before there are any is refused, and none comes twice", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.make_leader("oak");
  for (const auto* const verb : {"kill", "pause", "resume", "drain", "logs"}) {
    const auto answers = fixture.request(verb, R"({"node":"node-1"})");
    REQUIRE(answers->is_ended());
    CHECK(answers->all.back().status == AnswerStatus::not_found);
    CHECK_THAT(answers->all.back().body, Catch::Contains("There is no node 'node-1'"));
  }
  const auto scaled = fixture.request("scale", R"({"nodes":2})");
  REQUIRE(scaled->is_ended());
  CHECK(scaled->all.back().status == AnswerStatus::failed);
  fixture.fabric->start();
  fixture.wait_until_level(2);
}

TEST_CASE("machines: a deposed leader says nothing more", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  fixture.add("elm");
  fixture.wait_until_level(4);
  const auto maps = fixture.maps;

  fixture.fabric->depose({"its lease has ended.", {}, {}});
  REQUIRE(fixture.end.has_value());
  CHECK(fixture.end->exit_code == kExitFailed);
  fixture.pass(std::chrono::seconds(30));
  fixture.fabric.reset();
  CHECK(fixture.node(3).is_alive);
  CHECK(fixture.maps == maps);
  CHECK_FALSE(fixture.node(3).signal.has_value());
}

}  // namespace epic::cluster::test
