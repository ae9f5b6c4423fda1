#include <algorithm>
#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "integration/modules/forks.hpp"
#include "kernel/kernel.hpp"
#include "sim/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::sim::SimFabric;
using forks::Fork;

namespace {

const ModuleInfo& forks_module() {
  static const EntityInfoFn entities[] = {&forks::Fork::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

/// Three nodes with a fork on each.
struct Fixture {
  Fixture() : fabric({.seed = 9}, forks_module(), codec) {
    fabric.run_for(100ms);
    for (std::uint16_t node = 1; node <= 3; ++node)
      for (int key = 0;; ++key)
        if (fabric.owner_of("Fork/" + std::to_string(key)) == node) {
          forks_on.emplace_back(key);
          break;
        }
  }
  void start(std::uint16_t node, Call<std::string>&& call) {
    fabric.start_call<std::string>(node, std::move(call), [this](auto& record) { outcomes.push_back(record.take()); });
  }
  [[nodiscard]] std::size_t failures() const {
    return outcomes.size() - static_cast<std::size_t>(std::ranges::count(outcomes, "ok"));
  }
  [[nodiscard]] std::size_t lines_about_deadlocks(std::uint16_t node) const {
    return static_cast<std::size_t>(std::ranges::count_if(fabric.log(), [&](const sim::LogLine& line) {
      return line.node.value == node && line.message.find("waited for each other") != std::string::npos;
    }));
  }

  codec::CapnpCodec codec;
  SimFabric fabric;
  std::vector<Ref<Fork>> forks_on;  // by node, from 0
  std::vector<std::string> outcomes;
};

}  // namespace

TEST_CASE(
    "deadlock: of three calls that wait in a ring over three nodes one fails within 200 ms, and all learn the ring",
    "[kernel]") {
  Fixture f;
  for (std::size_t i = 0; i < 3; ++i)
    f.start(static_cast<std::uint16_t>(i + 1), f.forks_on[i]->take({f.forks_on[(i + 1) % 3]}, 10ms));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 3; }, 210ms));
  CHECK(f.failures() == 1);
  const auto failed = std::ranges::find_if(f.outcomes, [](const std::string& outcome) { return outcome != "ok"; });
  for (const Ref<Fork>& fork : f.forks_on)
    CHECK_THAT(*failed, Catch::Contains("the lock of " + std::string(fork.name())));
  for (std::uint16_t node = 1; node <= 3; ++node) CHECK(f.lines_about_deadlocks(node) >= 1);
}

TEST_CASE("deadlock: a ring through an entity without a lock is found, too", "[kernel]") {
  Fixture f;
  const Ref<Fork> messenger("messenger");
  f.start(1, f.forks_on[0]->take_by(messenger, {f.forks_on[1]}, 10ms));
  f.start(2, f.forks_on[1]->take({f.forks_on[0]}, 10ms));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 2; }, 300ms));
  CHECK(f.failures() == 1);
}

TEST_CASE("deadlock: a ring on one node is found by the same probes", "[kernel]") {
  Fixture f;
  std::vector<Ref<Fork>> neighbours;
  for (int key = 0; neighbours.size() < 3; ++key)
    if (f.fabric.owner_of("Fork/" + std::to_string(key)) == 2) neighbours.emplace_back(key);
  for (std::size_t i = 0; i < 3; ++i) f.start(2, neighbours[i]->take({neighbours[(i + 1) % 3]}, 10ms));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 3; }, 300ms));
  CHECK(f.failures() == 1);
}

TEST_CASE("deadlock: two rings at once lose one call each", "[kernel]") {
  Fixture f;
  std::vector<Ref<Fork>> others;
  for (int key = 100; others.size() < 3; ++key) others.emplace_back(key);
  for (std::size_t i = 0; i < 3; ++i) {
    f.start(static_cast<std::uint16_t>(i + 1), f.forks_on[i]->take({f.forks_on[(i + 1) % 3]}, 10ms));
    f.start(static_cast<std::uint16_t>(i + 1), others[i]->take({others[(i + 1) % 3]}, 10ms));
  }
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 6; }, 400ms));
  CHECK(f.failures() == 2);
}

TEST_CASE("deadlock: a long queue behind a slow call is not a deadlock", "[kernel]") {
  Fixture f;
  for (int i = 0; i < 5; ++i) f.start(1, f.forks_on[1]->take({f.forks_on[2]}, 400ms));
  f.start(1, f.forks_on[2]->take({}, 1s));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 6; }, 20s));
  CHECK(f.failures() == 0);
  for (std::uint16_t node = 1; node <= 3; ++node) CHECK(f.lines_about_deadlocks(node) == 0);
}

TEST_CASE("deadlock: a timeout lists the chain of waiting calls, across nodes", "[kernel]") {
  Fixture f;
  f.start(1, f.forks_on[2]->take({}, 20s));  // holds it
  f.fabric.run_for(50ms);
  std::string message;
  f.fabric.start_call<std::string>(1, f.forks_on[1].with(3s)->take({f.forks_on[2]}, 0ms), [&](auto& record) {
    try {
      record.take();
    } catch (const Timeout& error) {
      message = error.what();
    }
  });
  REQUIRE(f.fabric.run_until([&] { return !message.empty(); }, 5s));
  CHECK_THAT(message, Catch::Contains(std::string(f.forks_on[1].name()) + ".take"));
  CHECK_THAT(message, Catch::Contains("waits for " + std::string(f.forks_on[2].name()) + ".take on node-3"));
}

TEST_CASE("deadlock: a timeout follows the chain as far as its node knows it", "[kernel]") {
  Fixture f;
  std::vector<Ref<Fork>> here;
  for (int key = 0; here.size() < 2; ++key)
    if (f.fabric.owner_of("Fork/" + std::to_string(key)) == 2) here.emplace_back(key);
  f.start(3, f.forks_on[2]->take({}, 20s));  // holds it
  f.fabric.run_for(50ms);
  std::string message;
  f.fabric.start_call<std::string>(2, here[0].with(3s)->take({here[1], f.forks_on[2]}, 0ms), [&](auto& record) {
    try {
      record.take();
    } catch (const Timeout& error) {
      message = error.what();
    }
  });
  REQUIRE(f.fabric.run_until([&] { return !message.empty(); }, 5s));
  CHECK_THAT(message, Catch::Contains(std::string(here[1].name()) + ".take, which waits for " +
                                      std::string(f.forks_on[2].name()) + ".take on node-3"));
}
