#pragma once
// ControlConnection: what carries the requests of a ControlClient to a supervisor, and its answers back.
//
// Implementations: a UNIX socket on this machine (control_client.cpp), TCP with TLS
// (cluster/supervisor/remote_control.hpp).

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "protocol/control_frames.hpp"
#include "protocol/control_verb.hpp"

namespace epic::cluster {

enum class ControlErrorCode : std::uint8_t {
  no_fabric,    // nothing listens there: the fabric is down
  unreachable,  // the connection was lost, or there was no answer in time
  not_found,    // no such entity, type, method or node
  bad_request,  // the arguments do not fit
  failed,       // the operation failed
};

struct ControlError {
  ControlErrorCode code;
  std::string message;
  protocol::control::FailureDetail detail = {};
};

/// Blocking. Its errors are no_fabric and unreachable.
class ControlConnection {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  virtual ~ControlConnection() = default;

  [[nodiscard]] virtual std::expected<void, ControlError> send(const protocol::ControlRequest& request,
                                                               TimePoint deadline) = 0;
  /// The next answer to any request.
  [[nodiscard]] virtual std::expected<protocol::ControlAnswer, ControlError> receive(TimePoint deadline) = 0;
  /// Another connection to the same supervisor.
  [[nodiscard]] virtual std::expected<std::unique_ptr<ControlConnection>, ControlError> reconnect() const = 0;
  /// Where the supervisor is, for messages.
  [[nodiscard]] virtual const std::string& place() const = 0;
};

}  // namespace epic::cluster
