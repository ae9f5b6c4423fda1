// What the nodes load: the entity classes, and the first steps of the main world.

#include <epic/epic.hpp>

#include "checkpoint.hpp"
#include "region.hpp"
#include "world.hpp"

namespace {
constexpr std::int64_t kFirstSteps = 50;
}

// Runs at each `epic run`, and again on another node if its node dies before it returns. The second time the world has
// been there, and its picture is the same.
epic::Task<void> setup(epic::Pool pool) {
  const auto world = pool.get<World>("main");
  const Tally tally = co_await world->run_to(kFirstSteps);
  epic::log::info("Step {}: {} agents, digest {}.", tally.step, tally.agents, tally.digest);
}

EPIC_MODULE(setup, World, Region, Checkpoint)
