#pragma once
// What epic::sim::Fabric (epic/sim.hpp) stands on: one run of a user's scenario, with one seed, in this process.
//
// Besides what the scenario itself requires, each call must end by its deadline, and everything must be back after the
// faults have ended.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "cluster/sim/seed_report.hpp"
#include "epic/sim.hpp"

namespace epic::cluster::sim {

struct SeedOrder {
  std::int64_t seed = 1;
  std::optional<std::vector<std::int64_t>> faults = {};  // only those of the schedule
  std::function<void(const SeedFault&)> on_fault = {};   // as it strikes
};

/// Changes the state of this process (classes may have global variables): in another one, a seed may go otherwise.
[[nodiscard]] SeedReport run_seed(const epic::sim::detail::Scenario& scenario, const SeedOrder& order);

}  // namespace epic::cluster::sim

extern "C" {
/// Called where a scenario fails, for a breakpoint.
void epic_simulation_failed();
}
