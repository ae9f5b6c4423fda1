#pragma once
// The frames of the control socket: a verb with a JSON body one way, JSON answers the other.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "wire/frame_buffer.hpp"

namespace epic::cluster {

/// Either way.
inline constexpr std::size_t kControlFrameBytesMax = 64u << 20;
/// Of a request's body, which has its verb and a few words around it.
inline constexpr std::size_t kControlRequestBytesMax = kControlFrameBytesMax - (64u << 10);

struct ControlRequest {
  std::uint64_t id = 0;
  std::string verb;
  std::string body;
  bool operator==(const ControlRequest&) const = default;
};

enum class ControlStatus : std::uint8_t { ok = 0, not_found = 1, bad_request = 2, failed = 3 };

struct ControlAnswer {
  std::uint64_t id = 0;
  ControlStatus status = ControlStatus::ok;
  std::string body;
  bool last = true;
  bool operator==(const ControlAnswer&) const = default;
};

void append_frame(const ControlRequest& request, std::vector<std::byte>& out);
void append_frame(const ControlAnswer& answer, std::vector<std::byte>& out);

/// Any bytes are safe to give.
[[nodiscard]] std::expected<ControlRequest, wire::WireError> decode_control_request(std::span<const std::byte> payload);
[[nodiscard]] std::expected<ControlAnswer, wire::WireError> decode_control_answer(std::span<const std::byte> payload);

}  // namespace epic::cluster
