#pragma once
// PeerProcess: one process on a PipeNet: the peer state machine, and what it has reported.

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/pipe_net.hpp"
#include "transport/peers.hpp"

namespace epic::test {

struct PeerProcess {
  PeerProcess(PipeNet& net, kernel::PeerAddress self, std::string fabric = "f/1", std::uint16_t shards = 8,
              transport::TransportLimits limits = {})
      : address(self), peers(net.make_medium(), events(), limits) {
    peers.on_time(1);
    peers.introduce({.from = self, .fabric = std::move(fabric), .shard_count = shards, .methods = {}});
  }

  [[nodiscard]] transport::TransportEvents events() {
    return {
        .may_send = [this] { return may_send; },
        .on_hello = [this](const kernel::PeerAddress& from, const kernel::HelloMessage&) { hellos.push_back(from); },
        .on_message =
            [this](const kernel::PeerAddress& from, kernel::Message message) {
              messages.emplace_back(from, std::move(message));
              if (const auto then = std::exchange(then_send, std::nullopt)) peers.send(from, *then);
            },
        .on_lost =
            [this](const kernel::PeerAddress& peer) {
              lost.push_back(peer);
              if (const auto then = std::exchange(on_lost_send, std::nullopt)) peers.send(then->first, then->second);
            },
        .on_room =
            [this](const kernel::PeerAddress& peer) {
              with_room.push_back(peer);
              if (const auto then = std::exchange(on_room_send, std::nullopt)) peers.send(peer, *then);
            },
        .on_map = address.is_client()
                      ? [this](const kernel::PeerAddress&, kernel::ShardMap map) { maps.push_back(std::move(map)); }
                      : std::function<void(const kernel::PeerAddress&, kernel::ShardMap)>(),
        .on_unmet = [this](const std::string& where, const std::string&) { unmet.push_back(where); },
        .on_note = [this](kernel::LogLevel, const std::string& text) { notes += text + "\n"; }};
  }

  kernel::PeerAddress address;
  bool may_send = true;
  std::vector<kernel::PeerAddress> hellos;
  std::vector<std::pair<kernel::PeerAddress, kernel::Message>> messages;
  std::vector<kernel::PeerAddress> lost;
  std::vector<kernel::PeerAddress> with_room;  // again
  std::vector<kernel::ShardMap> maps;
  std::vector<std::string> unmet;
  std::string notes;
  std::optional<kernel::Message> then_send;                                     // with the next message, to its sender
  std::optional<kernel::Message> on_room_send;                                  // when a peer next has room
  std::optional<std::pair<kernel::PeerAddress, kernel::Message>> on_lost_send;  // when one is next lost
  transport::Peers peers;
};

inline std::string address_of(kernel::PeerAddress peer) { return fmt::format("node-{}", peer.node); }

inline kernel::ShardMap map_of(std::uint64_t version, const std::vector<kernel::PeerAddress>& members) {
  kernel::ShardMap map;
  map.version = kernel::MapVersion{version};
  map.owners.resize(8);
  for (const kernel::PeerAddress& member : members)
    map.members.push_back({member.node, kernel::Incarnation{member.life}, address_of(member)});
  return map;
}

inline kernel::CallMessage call_of(kernel::PeerAddress from, std::uint64_t sequence, std::size_t argument_bytes = 8) {
  kernel::CallMessage call;
  call.id = {from.node, from.life, sequence};
  call.target = "Counter/a";
  call.map_version = kernel::MapVersion{1};
  call.patience_ns = 1;
  call.arguments.resize(argument_bytes);
  return call;
}

}  // namespace epic::test
