// The main world on simulated nodes that crash, pause and lose each other. `epic test` runs a few seeds, `epic
// simulate` as many as you like.

#include <catch2/catch.hpp>
#include <chrono>
#include <epic/sim.hpp>

#include "plain_world.hpp"
#include "world.hpp"

EPIC_SCENARIO("world: becomes the same as in one piece, whatever fails",
              {.nodes = 4, .fault_every = std::chrono::milliseconds(500)}) {
  static const Tally expected = run_plainly({}, 100);
  const auto world = fabric.get<World>("main");
  co_await fabric.insist([&] { return world->start(100); });
  Tally tally;  // nobody waits for it: it goes on by itself
  for (int i = 0; i < 1'200 && tally.step < 100; ++i) {
    co_await fabric.sleep(std::chrono::milliseconds(100));
    const auto history = co_await fabric.insist([&] { return world->get_history(); });
    if (!history.empty()) tally = history.back();
  }
  fabric.require(world, tally.step == 100, "is at step {}", tally.step);
  fabric.require(world, tally.agents == expected.agents, "{} agents, not {}", tally.agents, expected.agents);
  fabric.require(world, tally.digest == expected.digest, "digest {}, not {}", tally.digest, expected.digest);
}
