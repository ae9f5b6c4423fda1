// Export of live state, import through the owners, and import into a store that no fabric uses.

#include <signal.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <thread>

#include "cluster/control/control_client.hpp"
#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "kernel/placement.hpp"
#include "protocol/json.hpp"
#include "storage/sqlite_store.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
using probe::Diary;
using probe::Hoard;
namespace json = boost::json;

namespace {

constexpr std::uint32_t kShards = 64;

std::string line_of(int counter, std::int64_t value) {
  return epic::protocol::print_json(json::object{{"entity", "Counter/" + std::to_string(counter)},
                                                 {"state", {{"value", value}, {"seen", json::array()}}}});
}

/// Groups lines by shard.
std::map<std::uint32_t, json::array> by_shard(int count, std::int64_t value) {
  std::map<std::uint32_t, json::array> groups;
  for (int i = 0; i < count; ++i)
    groups[epic::kernel::ungrouped(kShards).shard_of("Counter", std::to_string(i)).value].emplace_back(
        line_of(i, value));
  return groups;
}

json::object import_of(std::string_view mode, std::uint32_t shard, const json::array& lines) {
  return {{"mode", mode}, {"shard", shard}, {"lines", lines}};
}

/// Runs `epic-node --import` with these requests; returns its output, a JSON object per line.
std::vector<json::object> import_offline(const ProjectDirectory& project, std::uint32_t shards,
                                         const std::vector<json::object>& requests) {
  const auto in = project.path() / "requests.jsonl";
  const auto out = project.path() / "answers.jsonl";
  {
    std::ofstream file(in);
    for (const json::object& request : requests) file << epic::protocol::print_json(request) << '\n';
  }
  std::filesystem::create_directories(project.path() / ".epic");
  const std::string command = std::string(EPIC_NODE_PROGRAM) + " --import " + EPIC_TEST_MODULES + "/probe.so " +
                              (project.path() / ".epic" / "state.sqlite").string() + " " + std::to_string(shards) +
                              " < " + in.string() + " > " + out.string();
  static_cast<void>(std::system(command.c_str()));
  std::vector<json::object> answers;
  std::ifstream file(out);
  for (std::string line; std::getline(file, line);) answers.push_back(json::parse(line).as_object());
  return answers;
}

}  // namespace

TEST_CASE("snapshots: a live export is a cut of each node, with what it has not saved", "[node][threads][memory]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  for (int i = 0; i < 20; ++i) client.call(client.get<Counter>(i)->add(i));
  CHECK(client.call(client.get<Diary>("d")->write("dear")) == 1);

  std::set<std::string> names;
  std::multiset<std::int64_t> shards;
  std::map<std::string, std::int64_t> cuts;
  for (const auto& part : fabric.stream("export")) {
    if (const auto* cut = part.if_contains("cut"); cut != nullptr && cut->is_object())
      cuts[std::string(cut->at("node").as_string())] = cut->at("commit").as_int64();
    if (const auto* end = part.if_contains("end"); end != nullptr && end->is_object())
      for (const auto& shard : end->at("shards").as_array()) shards.insert(shard.as_int64());
    const auto* entity = part.if_contains("entity");
    if (entity == nullptr || !entity->is_string()) continue;
    const std::string name(part.at("entity").as_string());
    names.insert(name);
    CHECK(part.at("live") == true);
    CHECK(part.at("unsaved").as_bool() == (name == "Diary/d"));
    CHECK(part.at("cut").as_int64() == cuts.at(std::string(part.at("node").as_string())));
    if (name == "Diary/d") CHECK(epic::protocol::print_json(part.at("state")) == R"({"pages":["dear"]})");
    if (name == "Counter/7") CHECK(part.at("state").at("value") == 7);
  }
  CHECK(names.size() == 21);
  CHECK(cuts.size() == 3);
  CHECK(shards.size() == kShards);
  CHECK(std::set(shards.begin(), shards.end()).size() == kShards);
  CHECK(fabric.stream("export", {{"type", "Counter"}, {"key", "7"}}).size() == 2 * 3 + 1);
}

TEST_CASE("snapshots: a state that is too large as JSON is told with its size, and costs no node its life",
          "[node][large]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const auto nodes = fabric.list_node_pids();
  const Client client = Client::connect(project.path().string());
  client.call(client.get<Hoard>("h")->swell());
  std::vector<std::string> damaged;
  for (const auto& part : fabric.stream("export", {{"type", "Hoard"}}))
    if (const auto* what = part.if_contains("damaged"); what != nullptr && what->is_string())
      damaged.emplace_back(what->as_string());
  REQUIRE(damaged.size() == 1);
  CHECK_THAT(damaged[0], Catch::StartsWith("Hoard/h: it has 64"));
  CHECK(client.call(client.get<Hoard>("h")->weigh()) == 7'970'000);
  CHECK(fabric.list_node_pids() == nodes);
}

TEST_CASE("snapshots: an import says line by line what it would do, and what is wrong", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  client.call(client.get<Counter>(1)->add(5));
  const auto shard = epic::kernel::ungrouped(kShards).shard_of("Counter", "1").value;
  const auto outcome = [&](const std::string& line) {
    const auto answer = fabric.ask("import", import_of("check", shard, {json::value(line)}));
    const json::object& first = answer.at("outcomes").at(0).as_object();
    return std::string(first.at("what").as_string()) + std::string(first.at("error").as_string());
  };
  CHECK(outcome(line_of(1, 5)) == "equal");
  CHECK(outcome(line_of(1, 6)) == "changed");
  CHECK(outcome(R"({"entity":"Counter/1","remove":true})") == "removed");
  CHECK(outcome(R"({"entity":"Counter/1","state":{"value":"x"}})").find("state.value: expected int64") !=
        std::string::npos);
  CHECK(outcome(R"({"entity":"Relay/1","state":{}})").find("Relay is never saved") != std::string::npos);
  CHECK(outcome(line_of(2, 6)).find("does not belong to shard") != std::string::npos);
  CHECK(client.call(client.get<Counter>(1)->get()) == 5);
  CHECK(fabric.ask_in_vain("import", {{"shard", 64}}).code == epic::cluster::ControlErrorCode::bad_request);
}

TEST_CASE("snapshots: an import while clients call and a node dies ends, and every state that it told of is there",
          "[node][threads]") {
  constexpr int kCount = 400;
  constexpr std::int64_t kBase = 1'000'000;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 4)};
  fabric.wait_for("ready 4 nodes");
  fabric.wait_until_level();

  std::atomic<bool> is_over = false;
  std::atomic<int> calls = 0;
  std::thread caller([&] {
    const Client client = Client::connect(project.path().string());
    for (int i = 0; !is_over; i = (i + 1) % kCount) {
      try {
        client.call(client.get<Counter>(i)->add(1));
        ++calls;
      } catch (const epic::Error&) {  // its node died
      }
    }
  });
  int done = 0;
  for (const auto& [shard, lines] : by_shard(kCount, kBase)) {
    if (shard == kShards / 2) ::kill(fabric.list_node_pids().at(1), SIGKILL);
    const auto apply = [&] { return fabric.connect().request("import", import_of("apply", shard, lines)); };
    auto answer = apply();
    if (!answer) {  // the request was sent, and may have been carried out
      CHECK(answer.error().detail.error == "node_lost");
      answer = apply();
    }
    CHECK(answer.has_value());
    if (!answer) break;
    for (const auto& outcome : answer->at("outcomes").as_array()) {
      CHECK(outcome.at("error") == "");
      ++done;
    }
  }
  is_over = true;
  caller.join();
  CHECK(done == kCount);
  CHECK(calls > 0);
  const Client client = Client::connect(project.path().string());
  int behind = 0;
  for (int i = 0; i < kCount; ++i)
    if (client.call(client.get<Counter>(i)->get()) < kBase) ++behind;
  CHECK(behind == 0);
}

TEST_CASE("snapshots: without a fabric an import makes the store, also with another number of shards", "[node]") {
  const ProjectDirectory project;
  json::array lines;
  for (int i = 0; i < 50; ++i) lines.emplace_back(line_of(i, 100 + i));
  const json::object check{{"mode", "check"}, {"lines", lines}};
  const json::object apply{{"mode", "apply"}, {"lines", lines}};
  const auto answers = import_offline(project, 16, {check, apply, check});
  REQUIRE(answers.size() == 4);
  CHECK(answers[0].at("shards") == 16);
  for (const auto& outcome : answers[1].at("outcomes").as_array()) CHECK(outcome.at("what") == "new");
  for (const auto& outcome : answers[3].at("outcomes").as_array()) CHECK(outcome.at("what") == "equal");

  const auto refused = import_offline(project, 64, {check});
  REQUIRE(refused.size() == 1);
  CHECK(std::string_view(refused[0].at("error").as_string()).contains("was made with 16 shards"));

  Supervised fabric{project, "unused", real_nodes("probe", 2, [](auto& options) { options.shard_count = 16; })};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  for (int i = 0; i < 50; ++i) CHECK(client.call(client.get<Counter>(i)->add(1)) == 101 + i);
}

TEST_CASE("snapshots: a listing that nobody reads on waits, and holds up no other question", "[node][large]") {
  constexpr int kCount = 60'000;  // rows of some 130 bytes: more than sockets and windows hold
  const ProjectDirectory project;
  std::vector<json::object> requests;
  for (int begin = 0; begin < kCount; begin += 5'000) {
    json::array lines;
    for (int i = begin; i < begin + 5'000; ++i) lines.emplace_back(line_of(i, 1));
    requests.push_back({{"mode", "apply"}, {"lines", std::move(lines)}});
  }
  REQUIRE(import_offline(project, kShards, requests).size() == requests.size() + 1);
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");

  auto reader = epic::cluster::ControlClient::connect(project.path() / ".epic" / "control.sock");
  REQUIRE(reader);
  int rows = 0;
  const auto listed = reader->stream("ls", json::object(), [&](const json::value&) {
    if (rows++ > 0) return true;
    for (int i = 0; i < 50; ++i)
      CHECK(fabric.ask("inspect", {{"entity", "Counter/" + std::to_string(i)}}).at("live") == false);
    return true;
  });
  CHECK(listed);
  CHECK(rows == kCount);
}
