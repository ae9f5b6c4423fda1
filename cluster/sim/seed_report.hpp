#pragma once
// What `epic simulate` and a program of scenarios say to each other, as JSON: which seeds to run, and how each went.
//
// The order is in the environment variable EPIC_SIMULATE; EPIC_SIMULATE_REPORT names the file that gets a line for each
// seed as it ends, at its end.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace epic::cluster::sim {

struct SimulateOrder {
  std::int64_t first = 1;  // run in ascending order from here; after one that fails no other begins
  std::int64_t seeds = 1;
  std::int64_t jobs = 1;                                 // processes at the same time
  std::optional<std::vector<std::int64_t>> faults = {};  // only these of each seed's schedule
  bool in_process = false;                               // for a debugger: one seed, without a process of its own
};
BOOST_DESCRIBE_STRUCT(SimulateOrder, (), (first, seeds, jobs, faults, in_process))

/// A fault that struck.
struct SeedFault {
  std::int64_t number = 0;  // in the seed's schedule
  std::int64_t at_ms = 0;   // simulated, since the fabric began
  std::string what = {};    // "node-2 pauses for 400 ms"
};
BOOST_DESCRIBE_STRUCT(SeedFault, (), (number, at_ms, what))

/// How one seed ended.
struct SeedReport {
  std::int64_t seed = 0;
  std::string digest = {};  // of all that happened: equal digests, equal runs; empty: the process died
  std::int64_t events = 0;
  std::int64_t calls = 0;
  std::int64_t simulated_ms = 0;
  std::vector<SeedFault> faults = {};
  std::string failure = {};  // empty: the seed passed
  std::string where = {};    // "tests/bank_test.cpp:41"; may be empty
  std::string entity = {};   // that the failure is about; may be empty
  std::vector<std::string> history = {};

  [[nodiscard]] bool has_failed() const { return !failure.empty(); }
};
BOOST_DESCRIBE_STRUCT(SeedReport, (),
                      (seed, digest, events, calls, simulated_ms, faults, failure, where, entity, history))

}  // namespace epic::cluster::sim
