#pragma once
// Transport: messages to and from the other processes of a fabric, addressed by their identity.
//
// The driver says who we are (introduce), where we can be reached (listen) and who the other members are (set_map).
// From then on it sends to a PeerAddress; the transport finds or makes a connection, gathers what a tick has for one
// peer and writes it at once in flush(). A peer that does not introduce itself, belongs to another fabric, or sends
// garbage is disconnected with a log line.
//
// Invariant: messages to one peer arrive in the order of send(), or the peer is lost: nothing sent before on_lost is
// answered
//            after it, and the next send() starts afresh.
// Invariant: a call whose bytes never left is returned as if the peer had refused it; always before on_lost.
// Invariant: where there was no room there is on_room later, or on_lost.
// Invariant: send() and flush() never call back. Callbacks come from the event loop and from on_time().
// Invariant: no byte is given to a stream while may_send() is false; what was sent waits.
// A peer that stops in order refuses call 0 as its last message, which stands for all that it has not answered.
//
// One implementation, peers.hpp, over any medium; make_transport.hpp chooses the medium.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "kernel/messages.hpp"
#include "kernel/syscalls.hpp"
#include "transport/refusals.hpp"

namespace epic::transport {

struct TransportLimits {
  /// With more unsent bytes for a peer than this, there is no room for further calls to it until half of them are sent.
  std::size_t unsent_bytes_full = 64u << 20;
  /// With more than this (replies cannot be refused) the peer is disconnected.
  std::size_t unsent_bytes_max = 256u << 20;
  std::size_t connections_max = 4096;
  /// From the start of a connection to the peer's Hello.
  std::chrono::nanoseconds hello_timeout = std::chrono::seconds(10);
};

struct TransportEvents {
  /// Asked before each write. When it has become true again, the next flush() writes. Empty: always.
  std::function<bool()> may_send = {};
  /// A peer has introduced itself, or has sent a longer method table. Comes before its other messages.
  std::function<void(const kernel::PeerAddress&, kernel::HelloMessage)> on_hello;
  /// Any other message of the kernel.
  std::function<void(const kernel::PeerAddress&, kernel::Message)> on_message;
  std::function<void(const kernel::PeerAddress&)> on_lost;
  /// There is room for calls to the peer again, of which has_room() was false.
  std::function<void(const kernel::PeerAddress&)> on_room = {};
  /// Clients only: a node's newest shard map.
  std::function<void(const kernel::PeerAddress&, kernel::ShardMap)> on_map;
  /// meet() did not lead to a Hello.
  std::function<void(const std::string& address, const std::string& why)> on_unmet;
  /// A line for the log.
  std::function<void(kernel::LogLevel, const std::string&)> on_note;
};

class Transport {
 public:
  virtual ~Transport() = default;

  /// Who we are. Sent first on each connection, and again on the open ones when it changes.
  virtual void introduce(kernel::HelloMessage hello) = 0;
  /// Accepts connections at `address`; the error is a sentence with it. Returns where others find it: a port is chosen.
  [[nodiscard]] virtual std::expected<std::string, std::string> listen(const std::string& address) = 0;
  /// Where it connects to a member, as on_unmet names it.
  [[nodiscard]] virtual std::string address_of(const kernel::ShardMap::Member& member) const = 0;
  /// The addresses of the members. A node passes the map on to its clients.
  virtual void set_map(const kernel::ShardMap& map) = 0;
  /// Connects to whatever listens there, unless that is in progress; results in its Hello, or on_unmet.
  virtual void meet(const std::string& address) = 0;
  /// A call, only if there is room for it; other messages, always.
  virtual void send(const kernel::PeerAddress& to, kernel::Message message) = 0;
  /// For a call to this peer. Where there is none, calls wait with their sender, who knows of their deadlines.
  [[nodiscard]] virtual bool has_room(const kernel::PeerAddress& to) const = 0;
  /// Writes what has been gathered.
  virtual void flush() = 0;
  /// Bytes that peers have not read yet.
  [[nodiscard]] virtual std::size_t unsent_bytes() const = 0;
  /// Connections that were refused, by either side.
  [[nodiscard]] virtual RefusalCounts refusals() const = 0;

  /// The monotonic clock, once per tick and before anything else: reports what has become due. Must not be called from
  /// a callback.
  virtual void on_time(std::int64_t now_ns) = 0;
  /// When on_time() is wanted next; a time in the past: at once.
  [[nodiscard]] virtual std::optional<std::int64_t> next_timer_ns() const = 0;

  /// Stops accepting: new peers cannot find us; connected ones are still read.
  virtual void hide() = 0;
  /// Stops reading, and says so to every peer: what we have not answered, we have not started. They close.
  virtual void part() = 0;
  [[nodiscard]] virtual bool is_alone() const = 0;
  /// Ends all connections without callbacks, and stops listening.
  virtual void close() = 0;
};

}  // namespace epic::transport
