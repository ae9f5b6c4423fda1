#pragma once
// The shard map as a part of two messages: from a supervisor to nodes, from nodes to clients. For .cpp files of wire/.

#include "kernel/messages.hpp"
#include "wire/capnp.hpp"
#include "wire/supervision.capnp.h"

namespace epic::wire {

void write_shard_map(schema::ShardMap::Builder to, const kernel::ShardMap& map);
[[nodiscard]] kernel::ShardMap read_shard_map(schema::ShardMap::Reader from);

}  // namespace epic::wire
