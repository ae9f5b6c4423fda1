#pragma once
// TcpMedium: streams between processes of several machines, over TCP with TLS 1.3 (tls.hpp). An address is an IP
// address and a port: "10.0.0.3:7000", "[fd00::3]:7000".
//
// Who is accepted has proved that it belongs to the fabric: a connection becomes a stream of the listener's only after
// its handshake. Until then it is a stranger, which costs a bounded amount of memory for a bounded time, and gets no
// answer but TLS's own. When there are too many strangers the oldest makes room, so that those who would fill all
// places must be faster than a handshake.
//
// Credentials are asked for with each connection, so that they can be changed at any time; open streams keep theirs. A
// dialled process that refuses the newest secret is offered the one before, over a second connection of the same
// stream.
//
// Invariant: nothing listens without credentials.
// Not here: which process the other one is: its Hello says so, and Peers compares it (peers.cpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "transport/refusals.hpp"
#include "transport/stream.hpp"
#include "transport/tls.hpp"

namespace epic::transport {

struct TcpLimits {
  /// From the start of a connection to the end of its handshake.
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(5);
  std::size_t strangers_max = 64;
  /// A machine that acknowledges nothing for this long is gone, also where nothing is sent: then the system asks it.
  std::chrono::milliseconds silence_max = std::chrono::seconds(10);
  /// After a refusal has been reported, the next ones are counted for so long and then reported as one.
  std::chrono::milliseconds report_interval = std::chrono::seconds(10);
};

class TcpMedium final : public Medium {
 public:
  /// The credentials as they are now; the error is a sentence.
  using GetContext = std::function<std::expected<TlsContextPtr, std::string>()>;

  /// `context` is run by the thread that calls everything here.
  TcpMedium(boost::asio::io_context& context, GetContext get_context, TcpLimits limits = {});
  ~TcpMedium() override;

  [[nodiscard]] std::string address_of(const kernel::ShardMap::Member& member) const override;
  [[nodiscard]] std::expected<StreamPtr, std::string> dial(const std::string& address) override;
  /// With port 0 the system chooses one, see listening_at().
  [[nodiscard]] std::expected<std::string, std::string> listen(const std::string& address, OnAccept on_accept) override;
  void hide() override;
  void stop_listening() override;
  [[nodiscard]] RefusalCounts refusals() const override;

  /// Where others find it; empty: nowhere.
  [[nodiscard]] std::string listening_at() const;
  /// Connections that have not proved anything yet.
  [[nodiscard]] std::size_t strangers() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // shared with pending operations, which may outlive the medium
};

/// An address as above.
[[nodiscard]] std::expected<boost::asio::ip::tcp::endpoint, std::string> parse_tcp_address(const std::string& address);
[[nodiscard]] std::string format_tcp_address(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace epic::transport
