// Runs the crash scenario until it detects the missing safeguard. Fails if it never does.

#include <fmt/format.h>

#include <cstring>

#include "sim/crash_scenario.hpp"

namespace {

constexpr std::uint64_t kSeedsMax = 400;

}  // namespace

int main(int argc, char** argv) {
  using epic::test::Fate;
  const char* const word = argc == 2 ? argv[1] : "";
  const Fate fate = std::strcmp(word, "partition") == 0 ? Fate::partition
                    : std::strcmp(word, "moves") == 0   ? Fate::moves
                                                        : Fate::crashes;
  for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const auto violations = epic::test::run_crash_scenario(fate, seed);
    if (violations.empty()) continue;
    fmt::print("found with seed {}: {}\n", seed, violations.front());
    return 0;
  }
  fmt::print("{} seeds found nothing\n", kSeedsMax);
  return 1;
}
