// epic_defects NAME [SEEDS]: runs the cluster scenario with a planted defect until a checker finds it. Fails if none
// does. epic_defects --table: all of them, a line each: after how many seeds, and what was found.

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "sim/cluster_scenario.hpp"

namespace {

constexpr std::uint64_t kSeedsMax = 2'000;
constexpr std::string_view kDefects[] = {EPIC_DEFECTS};

std::string_view g_defect;  // the one that is at work; forked runs inherit it

struct Found {
  std::uint64_t seeds;
  std::string violation;
};

std::optional<Found> find(std::string_view defect, std::uint64_t seeds_max) {
  g_defect = defect;
  for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
    const auto result = epic::test::run_cluster_apart({.seed = seed});
    if (!result.violations.empty()) return Found{seed, result.violations.front()};
  }
  return std::nullopt;
}

bool report(std::string_view defect, std::uint64_t seeds_max) {
  const auto found = find(defect, seeds_max);
  if (found)
    fmt::print("{:28} found after {:4} seeds: {}\n", defect, found->seeds, found->violation);
  else
    fmt::print("{:28} NOT found in {} seeds\n", defect, seeds_max);
  std::fflush(stdout);
  return found.has_value();
}

}  // namespace

bool epic_has_defect(const char* name) { return g_defect == name; }

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  const std::uint64_t seeds_max = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : kSeedsMax;
  bool is_every_one_found = true;
  bool is_known = false;
  for (const std::string_view defect : kDefects) {
    if (word != "--table" && word != defect) continue;
    is_known = true;
    is_every_one_found = report(defect, seeds_max) && is_every_one_found;
  }
  if (is_known) return is_every_one_found ? 0 : 1;
  fmt::print(stderr, "usage: epic_defects NAME|--table [SEEDS]\n");
  return 2;
}
