#pragma once
// MachineLink: one end of a connection between the supervisors of two machines (protocol/machines.hpp).
//
// Messages come in order until the link ends; what was on its way then is lost. Both sides keep what the other has not
// confirmed (kept_messages.hpp).
//
// Implementations: machine_stream.hpp.
// Not here:        what the messages mean (machine_agent.hpp, machines.hpp).

#include <cstddef>
#include <functional>

#include "protocol/machines.hpp"

namespace epic::cluster {

/// On the supervisor's only thread. It calls nothing back from within a call on it.
template <class In, class Out>
class MachineLink {
 public:
  struct Events {
    std::function<void(const In&)> on_message;
    std::function<void()> on_closed;     // by the other side, or what it sent made no sense
    std::function<void()> on_room = {};  // the other side has taken all that waited
  };
  virtual ~MachineLink() = default;

  /// Once.
  virtual void start(Events events) = 0;
  virtual void send(const Out& message) = 0;
  /// Nothing is reported afterwards.
  virtual void close() = 0;
  [[nodiscard]] virtual bool is_sent() const = 0;
  /// Bytes that the other side has not taken yet.
  [[nodiscard]] virtual std::size_t unsent_bytes() const = 0;
  /// It has ended, because what came made no sense.
  [[nodiscard]] virtual bool is_garbled() const { return false; }
  /// The other side may take long to read what it gets: a person reads it.
  virtual void let_read_slowly() {}
};

/// A machine's end of the link, and the leader's.
using LinkToLeader = MachineLink<protocol::ToMachine, protocol::FromMachine>;
using LinkToMachine = MachineLink<protocol::FromMachine, protocol::ToMachine>;

}  // namespace epic::cluster
