#include "cluster/supervisor/machines.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "cluster/supervisor/fabric_trail.hpp"
#include "cluster/supervisor/takeover.hpp"
#include "support/machines_fixture.hpp"

namespace epic::cluster::test {
namespace {

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

TEST_CASE("machines: when a machine's key is gone its shards go to the others, and its nodes are forgotten",
          "[cluster]") {
  MachinesFixture fixture;
  fixture.begin({"oak", "elm"});
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
  fixture.begin({"oak", "elm", "ash"});
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
  fixture.begin({"oak", "elm", "ash"});
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
  fixture.begin({"oak", "elm"});
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
  fixture.begin({"oak", "elm"});
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
