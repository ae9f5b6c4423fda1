#pragma once
// ControlReply: the answer to one control request, however the request came.
//
// Not here: connections (control_server.hpp), what the verbs do (supervisor/control_verbs.hpp).

#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "protocol/control_frames.hpp"
#include "protocol/control_verb.hpp"

namespace epic::cluster {

using protocol::AnswerStatus;
using protocol::ControlRequest;

/// Answers one request. A value: copies answer the same request. Outlives its connection; answers to a closed one are
/// dropped. If all copies are destroyed without an answer, the request ends with a failure.
class ControlReply {
 public:
  /// Where the answers of a connection go.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void send(const protocol::ControlAnswer& answer) = 0;
    /// False if the client has gone.
    [[nodiscard]] virtual bool is_open() const = 0;
    /// False while much is unread.
    [[nodiscard]] virtual bool has_room() const = 0;
  };

  /// `request`: its id. A sink that has gone counts as closed.
  ControlReply(std::weak_ptr<Sink> sink, std::uint64_t request);

  /// Sends a part of a streamed answer.
  void part(const boost::json::value& body) const;
  void part(std::string_view body) const;
  /// Says what the request waits for, in a sentence; the client's patience begins anew.
  void wait(std::string_view why) const;
  /// Sends the answer, or the last part; empty text ends a stream and adds nothing.
  void finish(const boost::json::value& body) const;
  void finish(std::string_view body = {}) const;
  void fail(AnswerStatus status, std::string_view message,
            std::optional<protocol::control::FailureDetail> detail = {}) const;
  /// A failure whose body is already encoded.
  void fail_with(AnswerStatus status, std::string_view body) const;
  /// False if the client has gone: streams stop.
  [[nodiscard]] bool is_open() const;
  /// False while much is unread: a stream that can wait should.
  [[nodiscard]] bool has_room() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared by the copies; the last one ends the request
};

}  // namespace epic::cluster
