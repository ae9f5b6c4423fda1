#pragma once
// DatabaseRelay: the servers of a FailoverPair at an address of the network, as two ports. So machines with addresses
// of their own reach them as they do each other, and can be cut off from them.

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

namespace epic::test {

class DatabaseRelay {
  using Tcp = boost::asio::ip::tcp;
  using Local = boost::asio::local::stream_protocol;

 public:
  /// `places`: where the directories of the servers' sockets are.
  DatabaseRelay(const std::string& address, std::array<std::filesystem::path, 2> places) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      servers_[i] = std::make_unique<Server>(
          Server{Tcp::acceptor(context_, Tcp::endpoint(boost::asio::ip::make_address(address), 0)),
                 Local::endpoint((places[i] / ".s.PGSQL.5432").string())});
      accept(*servers_[i]);
    }
    thread_ = std::jthread([this] { context_.run(); });
  }
  DatabaseRelay(const DatabaseRelay&) = delete;
  DatabaseRelay& operator=(const DatabaseRelay&) = delete;
  ~DatabaseRelay() { context_.stop(); }

  /// Of that database, for `role`.
  [[nodiscard]] std::string url(const std::string& role, const std::string& database) const {
    const auto at = [&](std::size_t server) {
      const Tcp::endpoint place = servers_[server]->acceptor.local_endpoint();
      return fmt::format("{}:{}", place.address().to_string(), place.port());
    };
    return fmt::format("postgresql://{}@{},{}/{}", role, at(0), at(1), database);
  }

 private:
  struct Server {
    Tcp::acceptor acceptor;
    Local::endpoint place;
  };
  struct Link {
    explicit Link(boost::asio::io_context& context) : client(context), server(context) {}
    Tcp::socket client;
    Local::socket server;
    std::array<char, 65536> up{};
    std::array<char, 65536> down{};
    void close() {
      boost::system::error_code ignored;
      client.close(ignored);
      server.close(ignored);
    }
  };

  void accept(Server& server) {
    const auto link = std::make_shared<Link>(context_);  // shared by what it waits for
    server.acceptor.async_accept(link->client, [this, &server, link](boost::system::error_code error) {
      if (error) return;
      accept(server);
      link->server.async_connect(server.place, [link](boost::system::error_code failed) {
        if (failed) return link->close();
        pump(link, link->client, link->server, link->up);
        pump(link, link->server, link->client, link->down);
      });
    });
  }
  static void pump(const std::shared_ptr<Link>& link, auto& from, auto& to, std::array<char, 65536>& room) {
    from.async_read_some(boost::asio::buffer(room), [=, &from, &to, &room](auto error, std::size_t count) {
      if (error) return link->close();
      boost::asio::async_write(to, boost::asio::buffer(room, count), [=, &from, &to, &room](auto failed, std::size_t) {
        if (failed) return link->close();
        pump(link, from, to, room);
      });
    });
  }

  boost::asio::io_context context_{1};
  std::array<std::unique_ptr<Server>, 2> servers_;
  std::jthread thread_;
};

}  // namespace epic::test
