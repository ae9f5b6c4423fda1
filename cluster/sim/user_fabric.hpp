#pragma once
// What epic::sim::Fabric (epic/sim.hpp) stands on: one run of a user's scenario, with one seed, in this process.
//
// Besides what the scenario itself requires, each call must end by its deadline, and everything must be back after the
// faults have ended.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "epic/sim.hpp"

namespace epic::cluster::sim {

struct ReportedFault {
  std::uint64_t number = 0;  // in the seed's schedule
  std::int64_t at_ms = 0;    // simulated, since the fabric began
  std::string what = {};
};
BOOST_DESCRIBE_STRUCT(ReportedFault, (), (number, at_ms, what))

/// How a seed went; `epic simulate` reads it as JSON.
struct SeedReport {
  std::uint64_t seed = 0;
  std::string digest = {};  // of all that happened; empty: the process died
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::int64_t simulated_ms = 0;
  std::vector<ReportedFault> faults = {};
  std::string failure = {};  // empty: all is well
  std::string where = {};    // file:line of the requirement; may be empty
  std::string entity = {};   // that the failure is about; may be empty
  std::vector<std::string> history = {};
};
BOOST_DESCRIBE_STRUCT(SeedReport, (),
                      (seed, digest, events, calls, simulated_ms, faults, failure, where, entity, history))

struct SeedOrder {
  std::uint64_t seed = 1;
  std::optional<std::vector<std::uint64_t>> faults = {};    // only those of the schedule
  std::function<void(const ReportedFault&)> on_fault = {};  // as it strikes
};

/// Changes the state of this process (classes may have global variables): in another one, a seed may go otherwise.
[[nodiscard]] SeedReport run_seed(const epic::sim::detail::Scenario& scenario, const SeedOrder& order);

}  // namespace epic::cluster::sim

extern "C" {
/// Called where a scenario fails, for a breakpoint.
void epic_simulation_failed();
}
