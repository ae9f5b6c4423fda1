#pragma once
// RoutedCall: what routing knows of a call. Whatever stands for a call, on a node or in a client, derives from it.

#include <cstdint>

#include "kernel/ids.hpp"
#include "kernel/messages.hpp"

namespace epic::kernel {

/// Stays where it is in memory until ShardRouter::forget().
struct RoutedCall {
  enum class Place : std::uint8_t { free, parked, sent };
  std::uint64_t sequence = 0;  // the calls of one node or client start in this order
  ShardId shard;
  Place place = Place::free;
  PeerAddress from;         // the peer that it came from; life 0: it was made here
  PeerAddress sent_to;      // while sent
  MapVersion sent_version;  // the map by which it was sent, to here or from here
  [[nodiscard]] bool has_arrived() const { return from.life != 0; }
};

}  // namespace epic::kernel
