#pragma once
// What `epic snapshot import` runs while no fabric does: `epic-node --import MODULE STORE SHARDS`.
//
// Only a process that has loaded the module can read states by its classes, so the command line starts one, tells it
// what to do on stdin, and reads what came of it on stdout: a JSON object a line. The first line out is
// {"shards", "types"}, or {"error", "hint"} and that was all. Then each line in, a protocol::control::Import::Request,
// is answered as the control verb is, or by {"error"}. The first that applies takes all shards in the store, which is
// made if there is none.
//
// Whoever starts it holds the project's lock, so that no fabric starts meanwhile; one that does all the same finds the
// shards' epochs raised, or raises them, and the store lets only the newer of the two write.

#include <cstdint>
#include <filesystem>

namespace epic::node {

/// Until stdin ends. Returns the exit code.
[[nodiscard]] int import_offline(const std::filesystem::path& module, const std::filesystem::path& store,
                                 std::uint32_t shard_count);

}  // namespace epic::node
