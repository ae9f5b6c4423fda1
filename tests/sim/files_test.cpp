#include <catch2/catch.hpp>

#include "sim/files_scenario.hpp"
#include "support/sanitizers.hpp"

namespace {
constexpr std::int64_t kFilesSeeds = epic::test::kIsSanitized ? 4 : 30;
}

TEST_CASE("files under faults: no file is ahead of the state, and what was synced stays, in order", "[sim]") {
  for (std::int64_t seed = 1; seed <= kFilesSeeds; ++seed) {
    CAPTURE(seed);
    CHECK(epic::test::run_files_scenario(seed) == "");
  }
}
