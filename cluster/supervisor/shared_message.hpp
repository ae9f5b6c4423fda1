#pragma once
// SharedMessage: a message that many nodes get, encoded once.

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "codec/message_frames.hpp"
#include "protocol/supervision.hpp"

namespace epic::cluster {

/// Single-threaded.
class SharedMessage {
 public:
  explicit SharedMessage(protocol::ToNode message) : message_(std::move(message)) {}

  [[nodiscard]] const protocol::ToNode& message() const { return message_; }
  /// For a channel that is open: the frame is not its first. Encoded when it is first asked for.
  [[nodiscard]] std::span<const std::byte> frame() const {
    if (frame_.empty())
      std::visit([this](const auto& one) { codec::append_message<protocol::ToNode>(one, codec::Opening::no, frame_); },
                 message_);
    return frame_;
  }

 private:
  protocol::ToNode message_;
  mutable std::vector<std::byte> frame_;
};

}  // namespace epic::cluster
