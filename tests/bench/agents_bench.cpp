// The `agents` template with a million agents for 50 steps, on one node and on four, against the same rules in one
// array, which is all of it that a program without epic needs: no regions, no checkpoints. The worlds must be equal.
//
// The first argument is the number of regions along each side, 32 without one: about 1,000 agents each.

#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "epic/client.hpp"
#include "plain_world.hpp"
#include "world.hpp"

using namespace epic::bench;
using epic::Client;

namespace {

constexpr std::int64_t kSteps = 50;
constexpr std::chrono::hours kPatience{1};

struct Run {
  std::string name;
  double seconds = 0;
  double resident_bytes = 0;
  Tally tally;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Must come first: this process has not had more memory before.
Run run_array(const Plan& plan) {
  const auto begin = std::chrono::steady_clock::now();
  Tally tally = run_plainly(plan, kSteps);
  const double seconds = seconds_since(begin);
  tally.step = kSteps;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {"one array", seconds, 1024.0 * static_cast<double>(usage.ru_maxrss), tally};
}

Run run_fabric(const Plan& plan, std::uint16_t nodes) {
  const BenchFabric fabric(nodes, "bench_agents");
  if (nodes > 1) fabric.wait_until_level();
  const Client client = fabric.connect();
  const auto world = client.get<World>(plan.world).with(kPatience);
  client.call(world->set_plan(plan));
  const auto begin = std::chrono::steady_clock::now();
  const Tally tally = client.call(world->run_to(kSteps));
  const double seconds = seconds_since(begin);
  return {fmt::format("{} node{}", nodes, nodes == 1 ? "" : "s"), seconds,
          static_cast<double>(fabric.count_resident_bytes()), tally};
}

}  // namespace

int main(int argc, char** argv) {
  print_warnings();
  const Plan plan{.world = "big", .seed = 3, .regions = argc > 1 ? std::atoi(argv[1]) : 32, .side = 64, .density = 24};
  std::vector<Run> runs;
  runs.push_back(run_array(plan));
  for (const std::uint16_t nodes : {1, 4}) runs.push_back(run_fabric(plan, nodes));

  std::vector<std::vector<std::string>> rows = {
      {fmt::format("{} agents at first, {} after {} steps", run_plainly(plan, 0).agents, runs[0].tally.agents, kSteps),
       "steps/s", "time of the array's", "memory"}};
  for (const Run& run : runs)
    rows.push_back({run.name, fmt::format("{:.2f}", kSteps / run.seconds),
                    fmt::format("{:.2f}", run.seconds / runs[0].seconds),
                    fmt::format("{:.0f} MB", run.resident_bytes / 1e6)});
  print_table(rows);
  for (const Run& run : runs)
    if (run.tally.step != kSteps || run.tally.digest != runs[0].tally.digest)
      throw std::runtime_error(fmt::format("{}: another world, with digest {} after step {}, not {}", run.name,
                                           run.tally.digest, run.tally.step, runs[0].tally.digest));
  fmt::print("Equal worlds: digest {}.\n", runs[0].tally.digest);
}
