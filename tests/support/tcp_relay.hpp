#pragma once
// TcpRelay: connections to a server on loopback that a test can hold up and cut.

#include <array>
#include <boost/asio/buffer.hpp>
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

 public:
  TcpRelay(boost::asio::io_context& context, std::uint16_t server)
      : shared_(std::make_shared<Shared>(context, server)) {
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
    Tcp::socket server;
    std::array<char, 16384> up{};
    std::array<char, 16384> down{};
  };
  struct Shared {
    Shared(boost::asio::io_context& io, std::uint16_t server)
        : context(io),
          acceptor(io, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
          target(boost::asio::ip::address_v4::loopback(), server) {}

    static void accept(const std::shared_ptr<Shared>& self) {
      const auto link = std::make_shared<Link>(self->context);
      self->acceptor.async_accept(link->client, [self, link](boost::system::error_code error) {
        if (error) return;
        accept(self);
        if (!self->is_refusing) link->server.connect(self->target, error);
        if (error || self->is_refusing) return;
        self->links.push_back(link);
        pump(self, link, link->client, link->server, link->up);
        pump(self, link, link->server, link->client, link->down);
      });
    }
    static void pump(const std::shared_ptr<Shared>& self, const std::shared_ptr<Link>& link, Tcp::socket& from,
                     Tcp::socket& to, std::array<char, 16384>& room) {
      from.async_read_some(
          boost::asio::buffer(room), [=, &from, &to, &room](boost::system::error_code error, std::size_t count) {
            if (error) return link->close();
            if (self->is_swallowing && &from == &link->server) {
              self->swallowed_bytes += count;
              return pump(self, link, from, to, room);
            }
            boost::asio::async_write(to, boost::asio::buffer(room, count),
                                     [=, &from, &to, &room](boost::system::error_code failed, std::size_t) {
                                       if (failed) return link->close();
                                       pump(self, link, from, to, room);
                                     });
          });
    }

    boost::asio::io_context& context;
    Tcp::acceptor acceptor;
    Tcp::endpoint target;
    std::vector<std::shared_ptr<Link>> links;
    bool is_refusing = false;
    bool is_swallowing = false;
    std::size_t swallowed_bytes = 0;
  };
  std::shared_ptr<Shared> shared_;  // shared with handlers that are under way
};

}  // namespace epic::test
