#pragma once
// What `epic snapshot import` runs while no fabric is running: `epic-node --import MODULE STORE SHARDS`.
// STORE is a StoreAddress.
//
// Only a process that has loaded the module can read states by its classes. So the CLI starts one, sends it requests on
// stdin, and reads the results on stdout, one JSON object per line. The first line of output is {"shards", "types"}, or
// {"error", "hint"} and nothing more. Then each line of input, a protocol::control::Import::Request, is answered like
// the control verb, or by {"error"}. The first one that applies takes all shards in the store, which is created if
// there is none.
//
// The caller holds the project's lock, so that no fabric starts meanwhile. If one does anyway, it finds the shards'
// epochs raised, or raises them, and the store lets only the newer of the two write.

#include <cstdint>
#include <filesystem>

#include "storage/store_address.hpp"

namespace epic::node {

/// Runs until stdin ends. Returns the exit code.
[[nodiscard]] int import_offline(const std::filesystem::path& module, const storage::StoreAddress& store,
                                 std::uint32_t shard_count);

}  // namespace epic::node
