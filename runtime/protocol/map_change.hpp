#pragma once
// MapChange: what a shard map changes of the one before, so that a large fabric need not send all of it to each node
// whenever a shard moves.
//
// A change applies to the map of one version, its base. Base 0 is no map at all: such a change is a whole map, for a
// node that has none. A node whose map is another than the base keeps that, and asks for a whole one (MapWanted).
//
// Lists that belong together are columns, which take a third of what lists of structs would: a whole map of 65,536
// shards and 10,000 nodes is under 1 MB. Addresses of nodes are alike, so their common beginning is there once, and
// what the nodes of a machine share is there once for each.
//
// Invariant: make_map_change(a, b) applied to a gives b, for maps whose lists are in order, as the shard table's are.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "kernel/messages.hpp"

namespace epic::protocol {

struct MapChange {
  /// What nodes share.
  struct Machine {
    std::string name;
    std::string host;
    bool operator==(const Machine&) const = default;
  };
  kernel::MapVersion base;
  kernel::MapVersion version;
  std::uint32_t shard_count = 0;

  std::vector<kernel::ShardId> shards = {};  // whose owner or grant is another; empty in a whole map: all, in order
  std::vector<kernel::NodeId> owners = {};   // by the place in `shards`
  std::vector<std::uint32_t> ages = {};      // … and how many versions ago they were granted …
  std::vector<kernel::MapVersion> owned_since = {};  // … or by which, if that is too long ago for some; else empty

  std::vector<kernel::NodeId> joined = {};             // members that are new, or another than before
  std::vector<kernel::Incarnation> incarnations = {};  // by the place in `joined`
  std::string address_start = {};                      // that all of their addresses have …
  std::vector<std::string> address_ends = {};          // … and what follows in each
  std::vector<Machine> machines = {};                  // of `joined`, each once; empty: they name none
  std::vector<std::uint16_t> machine_of = {};          // by the place in `joined`: the place in `machines` …
  std::vector<std::uint16_t> ports = {};               // … and the port
  std::vector<kernel::NodeId> left = {};               // members no more

  std::vector<kernel::ShardId> moving = {};        // all that are
  std::vector<kernel::ShardId> orphaned = {};      // those that were not before
  std::vector<kernel::ShardId> orphaned_not = {};  // those that are no more
  bool operator==(const MapChange&) const = default;
};
BOOST_DESCRIBE_STRUCT(MapChange::Machine, (), (name, host))
BOOST_DESCRIBE_STRUCT(MapChange, (),
                      (base, version, shard_count, shards, owners, ages, owned_since, joined, incarnations,
                       address_start, address_ends, machines, machine_of, ports, left, moving, orphaned, orphaned_not))

/// From an empty map it is a whole one.
[[nodiscard]] MapChange make_map_change(const kernel::ShardMap& from, const kernel::ShardMap& to);

/// What the map is after it. The error says why it does not apply; also for one that makes no sense, as from a wire.
[[nodiscard]] std::expected<kernel::ShardMap, std::string> apply_map_change(const kernel::ShardMap& to,
                                                                            const MapChange& change);

/// The owner that the change names for the shard; empty: it is as before. A change is whole or has `shards` in order.
[[nodiscard]] std::optional<kernel::NodeId> find_owner(const MapChange& change, kernel::ShardId shard);

}  // namespace epic::protocol
