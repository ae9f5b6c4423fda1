#pragma once
// Stream and Medium: what a way of connecting processes must provide, so that Peers can run over it.
//
// A stream carries bytes in order between two processes until it ends; a medium makes streams, by dialling an address
// or by accepting connections. UNIX sockets are one medium (unix_medium.hpp), TCP with TLS is another (tcp_medium.hpp);
// rings in shared memory fit the same contract: a stream may take time to open (handshakes), may accept only a part of
// what is written, and may deliver bytes in pieces of any size. A simulated network is one more.
//
// Contract: a stream never calls its user from within a call on the stream or on its medium, nor after close().
// Not here: frames, who the peer is, time limits (connection.hpp, peers.hpp).

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "kernel/messages.hpp"
#include "transport/refusals.hpp"

namespace epic::transport {

/// Receives the reports of a stream.
class StreamUser {
 public:
  /// Bytes can flow in both directions. Called once, before anything else except on_end().
  virtual void on_open() = 0;
  /// Where to put the next bytes, until on_bytes(). Empty: stop reading.
  [[nodiscard]] virtual std::span<std::byte> room() = 0;
  /// The first `count` bytes of room() have been filled. The user may close the stream in here.
  virtual void on_bytes(std::size_t count) = 0;
  /// The stream accepts bytes again, after a write() that did not take all.
  virtual void on_writable() = 0;
  /// The stream has ended; the last report. An empty `why`: the other side closed it.
  virtual void on_end(std::string why) = 0;

 protected:
  ~StreamUser() = default;
};

class Stream {
 public:
  virtual ~Stream() = default;
  /// Reports to `user` from now on. Call it once.
  virtual void start(StreamUser& user) = 0;
  /// Takes as many bytes as it can at once, and keeps no reference to the others. Failures are not reported here: what
  /// arrived before the stream broke is read first, then on_end() follows.
  [[nodiscard]] virtual std::size_t write(std::span<const std::byte> bytes) = 0;
  virtual void close() = 0;
  /// From now on a peer that reads nothing for long, but lives, is not taken for gone.
  virtual void let_read_slowly() {}
  /// Of the other side, for logs; empty if it has none.
  [[nodiscard]] virtual std::string peer_address() const { return {}; }
};

/// Shared by its user and by pending operations of the medium.
using StreamPtr = std::shared_ptr<Stream>;

class Medium {
 public:
  virtual ~Medium() = default;

  /// Where it dials a member of the fabric.
  [[nodiscard]] virtual std::string address_of(const kernel::ShardMap::Member& member) const { return member.address; }
  /// A stream to the process that listens at `address`; on_open() or on_end() reports the outcome. The error is a
  /// phrase without the address, such as "permission denied".
  [[nodiscard]] virtual std::expected<StreamPtr, std::string> dial(const std::string& address) = 0;

  /// A stream from a process that dialled us, or why one could not be accepted.
  using OnAccept = std::function<void(std::expected<StreamPtr, std::string>)>;
  /// Returns the address to dial, which may be more definite. `on_accept` is called from the event loop, never from
  /// within listen(). The error is as for dial().
  [[nodiscard]] virtual std::expected<std::string, std::string> listen(const std::string& address,
                                                                       OnAccept on_accept) = 0;
  /// Refuses new connections; those already dialled are still accepted.
  virtual void hide() = 0;
  virtual void stop_listening() = 0;
  /// Connections that it has refused by itself.
  [[nodiscard]] virtual RefusalCounts refusals() const { return {}; }
};

}  // namespace epic::transport
