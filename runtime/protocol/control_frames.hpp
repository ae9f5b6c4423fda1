#pragma once
// The frames of the control socket: a verb with a JSON body one way, JSON answers the other.

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

namespace epic::protocol {

/// In either direction.
inline constexpr std::size_t kControlFrameBytesMax = 64u << 20;
/// The limit of a request's body, which leaves room for the verb and the envelope.
inline constexpr std::size_t kControlRequestBytesMax = kControlFrameBytesMax - (64u << 10);

struct ControlRequest {
  std::uint64_t id = 0;
  std::string verb;
  std::string body;
  bool operator==(const ControlRequest&) const = default;
};
BOOST_DESCRIBE_STRUCT(ControlRequest, (), (id, verb, body))

enum class AnswerStatus : std::uint8_t {
  ok = 0,
  not_found = 1,    // no such entity, type or method
  bad_request = 2,  // the arguments do not fit
  failed = 3,       // the operation failed
  not_owner = 4,    // between node and supervisor: the shard is not here now; ask again after the next map
  waiting = 5,      // no answer yet: the message says what for
};
BOOST_DESCRIBE_ENUM(AnswerStatus, ok, not_found, bad_request, failed, not_owner, waiting)

/// On success `body` is the answer, or a part of it (with `last`, an empty body adds nothing). Otherwise it is a
/// control::FailureBody.
struct ControlAnswer {
  std::uint64_t id = 0;
  AnswerStatus status = AnswerStatus::ok;
  std::string body;
  bool last = true;
  bool operator==(const ControlAnswer&) const = default;
};
BOOST_DESCRIBE_STRUCT(ControlAnswer, (), (id, status, body, last))

/// Both directions of a control connection.
using ControlMessage = std::variant<ControlRequest, ControlAnswer>;

}  // namespace epic::protocol
