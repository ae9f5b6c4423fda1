#pragma once
// Simulation: runs seeds of one scenario of the project's tests, and reads what each seed reports.
//
// A scenario is a Catch2 case with the tag [scenario] (epic/sim.hpp). It runs each seed in a forked process and reports
// it as it ends (cluster/sim/seed_report.hpp). So a seed that crashes costs only itself, and this process knows how far
// the run is.
//
// Invariant: when run() returns, each of its seeds has a report, or a lower one has failed.
//
// Not here: how many seeds, and what is printed about them (../commands/simulate.cpp); smaller fault schedules
// (fault_shrinker.hpp).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/project/fault_shrinker.hpp"
#include "cli/project/test_run.hpp"
#include "cluster/sim/seed_report.hpp"
#include "files/private_files.hpp"

namespace epic::cli {

using cluster::sim::SeedFault;
using cluster::sim::SeedReport;

/// The numbers of the faults that struck, in ascending order.
FaultNumbers fault_numbers(const SeedReport& report);

/// What the seeds that have ended amount to.
struct SeedTally {
  std::int64_t seeds = 0;
  std::int64_t calls = 0;
  std::int64_t simulated_ms = 0;
  std::optional<SeedReport> failed = {};  // the lowest seed that failed
  std::optional<SeedReport> last = {};    // the one that ended last

  void add(SeedReport report);
};

struct SeedRange {
  std::int64_t first = 1;
  std::int64_t count = 1;
  std::int64_t jobs = 1;                    // processes at the same time
  std::optional<FaultNumbers> faults = {};  // only these of each seed's schedule; empty: all
};

class Simulation {
 public:
  Simulation(TestCase scenario, const ProjectPaths& paths);
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  /// Runs the seeds in ascending order until one fails, and adds their reports to `tally`. `on_tick` is called about
  /// ten times a second.
  Result<void> run(const SeedRange& seeds, SeedTally& tally, const std::function<void()>& on_tick);

  /// The last lines that the program printed during the last run().
  [[nodiscard]] std::string printed() const;

  /// Runs one seed under gdb, in place of this program, up to its failure. Returns only if gdb cannot be started.
  Failure debug(std::int64_t seed, const std::optional<FaultNumbers>& faults);

 private:
  Result<void> find_dead_seed(const SeedRange& seeds, const std::vector<std::int64_t>& missing, SeedTally& tally,
                              const std::function<void()>& on_tick);

  TestCase scenario_;
  std::string root_;  // of the project, with a '/'
  // Files without a name: nothing is left of them, however this process ends.
  files::Descriptor report_;
  files::Descriptor printed_;
};

/// What `--gdb` answers without a gdb.
Failure no_debugger();

/// Complete lines of a report file; a cut off last line is left out of `offset` and read the next time.
Result<std::vector<SeedReport>> read_seed_reports(const std::filesystem::path& file, std::size_t& offset);

}  // namespace epic::cli
