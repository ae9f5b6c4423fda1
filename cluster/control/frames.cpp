#include "cluster/control/frames.hpp"

#include "wire/capnp_frame.hpp"
// After the door to Cap'n Proto, which it needs.
#include "cluster/control/control.capnp.h"

namespace epic::cluster {

void append_frame(const ControlRequest& request, std::vector<std::byte>& out) {
  capnp::MallocMessageBuilder builder;
  auto to = builder.initRoot<schema::ControlRequest>();
  to.setId(request.id);
  to.setVerb(wire::to_text(request.verb));
  to.setBody(wire::to_text(request.body));
  wire::append_message_frame(builder, out);
}

void append_frame(const ControlAnswer& answer, std::vector<std::byte>& out) {
  capnp::MallocMessageBuilder builder;
  auto to = builder.initRoot<schema::ControlAnswer>();
  to.setId(answer.id);
  to.setStatus(static_cast<std::uint8_t>(answer.status));
  to.setBody(wire::to_text(answer.body));
  to.setLast(answer.last);
  wire::append_message_frame(builder, out);
}

std::expected<ControlRequest, wire::WireError> decode_control_request(std::span<const std::byte> payload) {
  using Result = std::expected<ControlRequest, wire::WireError>;
  return wire::decode_frame<schema::ControlRequest>(payload, [](schema::ControlRequest::Reader from) -> Result {
    return ControlRequest{from.getId(), wire::to_string(from.getVerb()), wire::to_string(from.getBody())};
  });
}

std::expected<ControlAnswer, wire::WireError> decode_control_answer(std::span<const std::byte> payload) {
  using Result = std::expected<ControlAnswer, wire::WireError>;
  return wire::decode_frame<schema::ControlAnswer>(payload, [](schema::ControlAnswer::Reader from) -> Result {
    if (from.getStatus() > static_cast<std::uint8_t>(ControlStatus::failed))
      return std::unexpected(wire::WireError{"an answer with a status that this version does not know"});
    return ControlAnswer{from.getId(), static_cast<ControlStatus>(from.getStatus()), wire::to_string(from.getBody()),
                         from.getLast()};
  });
}

}  // namespace epic::cluster
