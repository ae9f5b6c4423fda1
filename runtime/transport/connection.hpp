#pragma once
// Connection: one socket of a UnixTransport. Bytes in become messages, frames out are gathered and written at once.
//
// Written from the caller's thread as far as the socket takes it, the rest when it is ready. Shared by the transport
// and its own pending operations, so that it outlives whichever ends first.
//
// Not here: who is at the other end, and what may be said (unix_transport.cpp).

#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/limits.hpp"
#include "kernel/messages.hpp"
#include "wire/frame_buffer.hpp"
#include "wire/messages.hpp"

namespace epic::transport {

namespace asio = boost::asio;

/// The why of a peer that closed its end between two messages.
inline constexpr std::string_view kUsualEnd = "it ended";

inline constexpr std::size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = asio::local::stream_protocol::socket;
  enum class Side : std::uint8_t { dialled, accepted };

  struct Owner {
    virtual ~Owner() = default;
    /// The connection may be closed in here.
    virtual void on_frame(Connection& connection, wire::PeerMessage message) = 0;
    /// Once, never from within a call on the connection other than close().
    virtual void on_ended(Connection& connection, const std::string& why) = 0;
  };

  Connection(asio::io_context& context, Owner& owner, Side side)
      : owner_(owner), side_(side), socket_(context), timer_(context) {}

  /// Connects, then reads. What has been gathered before is written as soon as it stands.
  void dial(const std::string& address);
  /// The other end has connected; reads.
  void adopt(Socket socket);

  template <class Message>
  void gather(const Message& message) {
    if (!is_ended_) wire::append_frame(message, gathered_);
  }
  /// Gathered behind all else by gather_held(), if it comes to that.
  template <class Message>
  void hold(const Message& message) {
    if (!is_ended_) wire::append_frame(message, held_);
  }
  void gather_held();
  /// Holds what the other one does.
  void take_held(Connection& other);
  void flush();
  [[nodiscard]] std::size_t unsent_bytes() const {
    return held_.size() + gathered_.size() + (writing_.size() - written_);
  }

  /// Reads no more, and ends it later, from the io_context, with on_ended(why).
  void fail(std::string why);
  /// As fail(), once what has been gathered is written.
  void fail_after_flush(std::string why);
  /// Ends it now, without on_ended.
  void close();
  [[nodiscard]] bool is_ended() const { return is_ended_; }

  [[nodiscard]] Side side() const { return side_; }
  [[nodiscard]] const std::string& address() const { return address_; }  // as dialled

  std::optional<kernel::PeerAddress> peer;      // has introduced itself
  std::optional<kernel::PeerAddress> expected;  // who should be there; empty: anyone
  std::vector<std::uint64_t> held_calls;        // not a byte of them has left
  bool is_in_flush_list = false;

  /// Ends it unless stop_waiting_for_hello() comes in time.
  void start_waiting_for_hello();
  void stop_waiting_for_hello() { timer_.cancel(); }

 private:
  void read_more();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void write_rest();
  void end(const std::string& why);

  Owner& owner_;
  Side side_;
  Socket socket_;
  asio::steady_timer timer_;
  std::string address_;
  wire::FrameBuffer incoming_{kernel::limits::kFrameBytesMax};
  std::vector<std::byte> held_;
  std::vector<std::byte> gathered_;
  std::vector<std::byte> writing_;
  std::size_t written_ = 0;
  bool is_connected_ = false;
  bool is_writing_ = false;    // an asynchronous write is under way
  bool is_condemned_ = false;  // will end: nothing more is read
  bool is_ended_ = false;
  std::optional<std::string> end_after_flush_;
};

}  // namespace epic::transport
