// epic_defects NAME [SEEDS [FIRST]]: runs the cluster scenario (or that of files, or of a standby) with a planted
// defect until a checker finds it. Fails if none does. epic_defects --table: all of them, a line each: by which seed,
// and what was found.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "sim/cluster_scenario.hpp"
#include "sim/files_scenario.hpp"
#include "support/standby_scenario.hpp"

namespace {

constexpr std::uint64_t kSeedsMax = 2'000;
constexpr std::string_view kDefects[] = {EPIC_DEFECTS};

/// What is found late is found sooner from a seed that has shown it before. The histories change with the code, so that
/// is where the search begins and no more.
struct Start {
  std::string_view defect;
  std::uint64_t seed;
};
constexpr Start kStarts[] = {{"observed_not_passed_on", 332},
                             {"farewell_taken_for_a_loss", 50},
                             {"shards_of_the_dead_kept", 28},
                             {"log_not_synced", 15},
                             {"deadline_forgotten", 14},
                             {"no_fence", 10},
                             {"mail_begun_not_marked", 6},
                             {"machines_fence_on_the_epoch_alone", 704},
                             {"machines_lease_checked_too_early", 136},
                             {"machines_lease_ignored", 176},
                             {"machines_take_without_grant", 10888},
                             {"standby_accepted", 7},
                             {"machines_unknown_commit_taken_as_failed", 8}};

constexpr bool is_planted(std::string_view defect) { return std::ranges::find(kDefects, defect) != std::end(kDefects); }
static_assert(std::ranges::all_of(kStarts, is_planted, &Start::defect), "kStarts names a defect that is not planted");

std::string_view g_defect;  // the one that is at work; forked runs inherit it

struct Found {
  std::uint64_t seed;
  std::string violation;
};

/// Only these seeds have several machines, and a database.
bool may_find(std::uint64_t seed) {
  return !g_defect.starts_with("machines_") || epic::test::kind_of(seed) == epic::test::ClusterKind::machines;
}

bool has_finding(Found& found) {
  if (g_defect.starts_with("file_")) {
    found.violation = epic::test::run_files_scenario(static_cast<std::int64_t>(found.seed));
    return !found.violation.empty();
  }
  if (g_defect.starts_with("standby_")) {
    found.violation = epic::test::run_standby_scenario(found.seed);
    return !found.violation.empty();
  }
  auto result = epic::test::run_cluster_apart({.seed = found.seed});
  if (result.violations.empty()) return false;
  found.violation = std::move(result.violations.front());
  return true;
}

std::optional<Found> find(std::string_view defect, std::uint64_t seeds_max, std::uint64_t first) {
  g_defect = defect;
  const auto* const start = std::ranges::find(kStarts, defect, &Start::defect);
  if (start != std::end(kStarts)) {
    if (Found found{start->seed, {}}; has_finding(found)) return found;
  }
  for (Found found{first, {}}; found.seed < first + seeds_max; ++found.seed)
    if (may_find(found.seed) && has_finding(found)) return found;
  return std::nullopt;
}

bool report(std::string_view defect, std::uint64_t seeds_max, std::uint64_t first) {
  const auto found = find(defect, seeds_max, first);
  if (found)
    fmt::print("{:28} found by seed {:4}: {}\n", defect, found->seed, found->violation);
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
  const std::uint64_t first = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  bool is_every_one_found = true;
  bool is_known = false;
  for (const std::string_view defect : kDefects) {
    if (word != "--table" && word != defect) continue;
    is_known = true;
    is_every_one_found = report(defect, seeds_max, first) && is_every_one_found;
  }
  if (is_known) return is_every_one_found ? 0 : 1;
  fmt::print(stderr, "usage: epic_defects NAME|--table [SEEDS [FIRST]]\n");
  return 2;
}
