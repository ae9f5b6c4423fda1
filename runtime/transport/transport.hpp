#pragma once
// Transport: messages to and from the other processes of a fabric, by who they are.
//
// The driver says who it is (introduce), where it can be reached (listen) and who else is there (set_map). From then on
// it sends to a PeerAddress; the transport finds or makes a connection, puts our Hello first on it, gathers what a tick
// has for one peer and writes it in one go at flush(). What comes in is checked: who does not introduce itself, is of
// another fabric, or sends what makes no sense, is cut off with a note.
//
// Invariant: messages to one peer arrive in the order of send(), or the peer is lost: after on_lost nothing that was
//            sent before it will be answered, and the next send() starts anew.
// Nothing but our Hello leaves before the peer's has come and is the expected one. A call that was held so long, and
// whose peer could not be reached, comes back as if the peer had refused it. A peer that ends in order refuses call 0
// as its last message, which stands for all that it has not answered.
// Invariant: send() never calls back; every callback comes from the thread that runs the io_context, between turns.
//
// Implementations: unix_transport.hpp.

#include <cstddef>
#include <expected>
#include <functional>
#include <string>

#include "kernel/messages.hpp"
#include "kernel/syscalls.hpp"

namespace epic::transport {

/// Beyond this much that a peer has not taken yet, further calls to it are answered Overloaded on the spot.
inline constexpr std::size_t kOutputBytesFull = 64u << 20;
/// Beyond this much (replies cannot be refused) the peer is cut off.
inline constexpr std::size_t kOutputBytesMax = 256u << 20;
inline constexpr std::size_t kConnectionsMax = 4096;
/// From the first byte of a connection to its Hello.
inline constexpr std::chrono::seconds kHelloPatience{10};

struct TransportEvents {
  /// A peer has introduced itself, or told a longer table. Comes before its other messages.
  std::function<void(const kernel::PeerAddress&, kernel::HelloMessage)> on_hello;
  /// A call or a reply.
  std::function<void(const kernel::PeerAddress&, kernel::Message)> on_message;
  std::function<void(const kernel::PeerAddress&)> on_lost;
  /// To a client: a node's newest shard map.
  std::function<void(const kernel::PeerAddress&, kernel::ShardMap)> on_map;
  /// meet() did not come to a Hello.
  std::function<void(const std::string& address, const std::string& why)> on_unmet;
  /// A line for the log.
  std::function<void(kernel::LogLevel, const std::string&)> on_note;
};

class Transport {
 public:
  virtual ~Transport() = default;

  /// Who we are. Sent first on each connection, and again on the open ones when it has changed.
  virtual void introduce(kernel::HelloMessage hello) = 0;
  /// Takes connections at `address`. The error is a sentence with the address.
  [[nodiscard]] virtual std::expected<void, std::string> listen(const std::string& address) = 0;
  /// Where members are reached. A node passes it on to its clients.
  virtual void set_map(const kernel::ShardMap& map) = 0;
  /// Connects to whoever listens there, unless that is under way: its Hello, or on_unmet.
  virtual void meet(const std::string& address) = 0;
  virtual void send(const kernel::PeerAddress& to, kernel::Message message) = 0;
  /// Writes what has gathered.
  virtual void flush() = 0;
  /// Bytes that peers have not taken yet.
  [[nodiscard]] virtual std::size_t unsent_bytes() const = 0;
  /// Who does not know us yet will not find us any more; who does is still heard.
  virtual void hide() = 0;
  /// Reads no more, and says so to everybody: what we have not answered, we have not begun. They close.
  virtual void part() = 0;
  [[nodiscard]] virtual bool is_alone() const = 0;
  /// Ends all connections without callbacks, and stops listening.
  virtual void close() = 0;
};

}  // namespace epic::transport
