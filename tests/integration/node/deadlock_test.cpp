// Calls that wait for each other across three processes.

#include <fmt/format.h>

#include <array>
#include <catch2/catch.hpp>
#include <iostream>
#include <latch>
#include <set>

#include "epic/client.hpp"
#include "integration/modules/forks.hpp"
#include "integration/node/real_fabric.hpp"
#include "kernel/placement.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using forks::Fork;

namespace {

constexpr std::size_t kNodes = 3;
using Keys = std::array<std::string, kNodes>;

/// One fork on each node.
Keys find_keys(Supervised& fabric) {
  const auto nodes = fabric.ask("nodes");
  const auto& owners = nodes.at("map").at("owners").as_array();
  Keys keys;
  std::size_t found = 0;
  for (int key = 0; found < kNodes; ++key) {
    const auto shard =
        epic::kernel::ungrouped(static_cast<std::uint32_t>(owners.size())).shard_of("Fork", std::to_string(key));
    std::string& place = keys[owners[shard.value].to_number<std::size_t>() - 1];
    if (!place.empty()) continue;
    place = std::to_string(key);
    ++found;
  }
  return keys;
}

}  // namespace

TEST_CASE("deadlock: of a ring over three processes one call fails, and each entity's trail has the ring", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("forks", kNodes)};
  fabric.wait_for("ready 3 nodes");
  fabric.wait_until_level();
  const Client client = Client::connect(project.path().string());
  const Keys keys = find_keys(fabric);
  for (const std::string& key : keys) client.call(client.get<Fork>(key)->take({}, 0ms));

  std::array<std::string, kNodes> outcomes;
  std::latch ended(kNodes);
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < kNodes; ++i)
    client.async_call(client.get<Fork>(keys[i])->take({client.get<Fork>(keys[(i + 1) % kNodes])}, 20ms),
                      [&, i](epic::CallResult<std::string> result) {
                        outcomes[i] = result.get();
                        ended.count_down();
                      });
  ended.wait();
  const auto took = std::chrono::steady_clock::now() - start;
  std::cout << fmt::format("a ring over three processes, resolved {} ms after it began\n",
                           std::chrono::duration_cast<std::chrono::milliseconds>(took - 20ms).count());

  CHECK(std::ranges::count(outcomes, "ok") == kNodes - 1);
  for (const std::string& outcome : outcomes)
    if (outcome != "ok")
      for (const std::string& key : keys) CHECK_THAT(outcome, Catch::Contains("the lock of Fork/" + key));
  std::set<std::string> told;
  for (const auto& event : fabric.stream("events", {{"type", "Fork"}}))
    if (const auto* what = event.if_contains("what"); what != nullptr && *what == "deadlocked") {
      told.emplace(event.at("entity").as_string());
      CHECK_THAT(std::string(event.at("why").as_string()), Catch::Contains("Fork/" + keys[0]));
    }
  CHECK(told.size() == kNodes);
}
