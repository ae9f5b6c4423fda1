#pragma once
// TcpRelay: connections to a server of this machine that a test can hold up and cut.

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace epic::test {

/// On the io_context's only thread. Handlers that are under way may run after it has been destroyed.
class TcpRelay {
  using Tcp = boost::asio::ip::tcp;
  using Stream = boost::asio::generic::stream_protocol;

 public:
  TcpRelay(boost::asio::io_context& context, std::uint16_t server)
      : TcpRelay(context, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), server)) {}
  /// `server`: also a unix socket.
  TcpRelay(boost::asio::io_context& context, Stream::endpoint server)
      : shared_(std::make_shared<Shared>(context, std::move(server))) {
    Shared::accept(shared_);
  }
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;
  ~TcpRelay() {
    cut();
    shared_->acceptor.close();
  }

  [[nodiscard]] std::uint16_t port() const { return shared_->acceptor.local_endpoint().port(); }
  /// Ends all connections.
  void cut() {
    for (const auto& link : std::exchange(shared_->links, {})) link->close();
  }
  /// Connections from now on end at once.
  void refuse(bool is_refusing) { shared_->is_refusing = is_refusing; }
  /// What the server sends from now on is thrown away.
  void swallow_answers(bool is_swallowing) { shared_->is_swallowing = is_swallowing; }
  /// Since the last cut(), whether they still are or not.
  [[nodiscard]] std::size_t connection_count() const { return shared_->links.size(); }
  /// Of these, one stays open, and what either side sends is thrown away, as if its packets went nowhere.
  void lose_packets(std::size_t connection) { shared_->links.at(connection)->loses_packets = true; }
  /// Of the server's answers, thrown away.
  [[nodiscard]] std::size_t swallowed_bytes() const { return shared_->swallowed_bytes; }

 private:
  struct Link {
    explicit Link(boost::asio::io_context& context) : client(context), server(context) {}
    void close() {
      boost::system::error_code ignored;
      client.close(ignored);
      server.close(ignored);
    }
    Tcp::socket client;
    Stream::socket server;
    bool loses_packets = false;
    std::array<char, 16384> up{};
    std::array<char, 16384> down{};
  };
  enum class Direction : std::uint8_t { up, down };
  struct Shared {
    Shared(boost::asio::io_context& io, Stream::endpoint server)
        : context(io),
          acceptor(io, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
          target(std::move(server)) {}

    static void accept(const std::shared_ptr<Shared>& self) {
      const auto link = std::make_shared<Link>(self->context);
      self->acceptor.async_accept(link->client, [self, link](boost::system::error_code error) {
        if (error) return;
        accept(self);
        if (!self->is_refusing) link->server.connect(self->target, error);
        if (error || self->is_refusing) return;
        self->links.push_back(link);
        pump(self, link, link->client, link->server, link->up, Direction::up);
        pump(self, link, link->server, link->client, link->down, Direction::down);
      });
    }
    static void pump(const std::shared_ptr<Shared>& self, const std::shared_ptr<Link>& link, auto& from, auto& to,
                     std::array<char, 16384>& room, Direction direction) {
      from.async_read_some(
          boost::asio::buffer(room), [=, &from, &to, &room](boost::system::error_code error, std::size_t count) {
            if (error) return link->close();
            if (self->is_swallowing && direction == Direction::down) self->swallowed_bytes += count;
            if (link->loses_packets || (self->is_swallowing && direction == Direction::down))
              return pump(self, link, from, to, room, direction);
            boost::asio::async_write(to, boost::asio::buffer(room, count),
                                     [=, &from, &to, &room](boost::system::error_code failed, std::size_t) {
                                       if (failed) return link->close();
                                       pump(self, link, from, to, room, direction);
                                     });
          });
    }

    boost::asio::io_context& context;
    Tcp::acceptor acceptor;
    Stream::endpoint target;
    std::vector<std::shared_ptr<Link>> links;
    bool is_refusing = false;
    bool is_swallowing = false;
    std::size_t swallowed_bytes = 0;
  };
  std::shared_ptr<Shared> shared_;  // shared with handlers that are under way
};

}  // namespace epic::test
