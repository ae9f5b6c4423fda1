#pragma once
// FilesScenario: entities that write what they count into files that they keep open (epic/file.hpp), under faults of
// nodes, disks, links and power. Then a file must not be ahead of the state, its lines must have kept their order
// through crashes and moves, and what was synced must be there.

#include <cstdint>
#include <string>

namespace epic::test {

/// In this process. Returns what went wrong; empty: nothing.
[[nodiscard]] std::string run_files_scenario(std::int64_t seed);

}  // namespace epic::test
