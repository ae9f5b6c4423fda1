#pragma once
// Messages between nodes and clients, as frames. A Hello opens the connection: its frame states the schema of them all.
//
// Frames are appended, so that a transport can gather all that a tick has for one peer and write it at once.

#include <type_traits>
#include <vector>

#include "codec/message_frames.hpp"
#include "protocol/peers.hpp"

namespace epic::codec {

/// One for each connection.
using PeerReader = FrameReader<protocol::PeerMessage>;

/// Appends the whole frame, header included. `message` is one of PeerMessage, or a variant of some of them.
template <class Message>
void append_frame(const Message& message, std::vector<std::byte>& out) {
  if constexpr (requires { message.index(); }) {
    std::visit([&](const auto& one) { append_frame(one, out); }, message);
  } else {
    constexpr bool kOpens = std::is_same_v<Message, kernel::HelloMessage>;
    append_message<protocol::PeerMessage>(message, kOpens ? Opening::yes : Opening::no, out);
  }
}

}  // namespace epic::codec
