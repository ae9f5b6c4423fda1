#pragma once
// Messages between nodes and clients, as bytes. The structs are the kernel's; here is only how they travel.
//
// Frames are appended, so that a transport can gather all that a tick has for one peer and write it at once.

#include <cstddef>
#include <expected>
#include <span>
#include <variant>
#include <vector>

#include "kernel/messages.hpp"
#include "wire/frame_buffer.hpp"

namespace epic::wire {

/// What one process may send another over a transport: the kernel's messages, and a node's newest map for its clients.
using PeerMessage = std::variant<kernel::HelloMessage, kernel::CallMessage, kernel::ReplyMessage, kernel::ShardMap,
                                 kernel::ProbeMessage, kernel::DeadlockMessage>;

/// Appends the whole frame, header included.
void append_frame(const PeerMessage& message, std::vector<std::byte>& out);
void append_frame(const kernel::Message& message, std::vector<std::byte>& out);
void append_frame(const kernel::HelloMessage& hello, std::vector<std::byte>& out);
void append_frame(const kernel::CallMessage& call, std::vector<std::byte>& out);
void append_frame(const kernel::ReplyMessage& reply, std::vector<std::byte>& out);
void append_frame(const kernel::ShardMap& map, std::vector<std::byte>& out);
void append_frame(const kernel::ProbeMessage& probe, std::vector<std::byte>& out);
void append_frame(const kernel::DeadlockMessage& deadlock, std::vector<std::byte>& out);

/// From a payload that FrameBuffer has cut out. Any bytes are safe to give; what comes back is within the bounds of
/// kernel/limits.hpp.
[[nodiscard]] std::expected<PeerMessage, WireError> decode_message(std::span<const std::byte> payload);

}  // namespace epic::wire
