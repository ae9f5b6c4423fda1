#pragma once
// UnixTransport: processes of one machine, over UNIX stream sockets.
//
// Two nodes may dial each other at the same time, so a peer has up to two connections. We send on the one by which it
// introduced itself first and stay with it, which keeps the order; we read both. When either ends, the peer is lost and
// the other is closed, so that "lost" means the same at both ends. A node that was restarted listens at its former
// address: whoever is there must say the expected life, or the expected one is lost.
//
// A refusal (another fabric, protocol or shard count) is an error as reply to call 0, which nobody makes, and the end.

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "transport/connection.hpp"
#include "transport/transport.hpp"

namespace epic::transport {

class UnixTransport final : public Transport, private Connection::Owner {
 public:
  /// `context` is run by the thread that calls everything here.
  UnixTransport(asio::io_context& context, TransportEvents events);
  ~UnixTransport() override;

  void introduce(kernel::HelloMessage hello) override;
  [[nodiscard]] std::expected<void, std::string> listen(const std::string& address) override;
  void set_map(const kernel::ShardMap& map) override;
  void meet(const std::string& address) override;
  void send(const kernel::PeerAddress& to, kernel::Message message) override;
  void flush() override;
  [[nodiscard]] std::size_t unsent_bytes() const override;
  void hide() override;
  void part() override;
  [[nodiscard]] bool is_alone() const override { return connections_.empty(); }
  void close() override;

 private:
  using ConnectionPtr = std::shared_ptr<Connection>;  // shared with its own pending operations
  struct Peer {
    ConnectionPtr dialled;
    ConnectionPtr accepted;
    Connection* out = nullptr;  // the one that we send on
  };

  void accept_more();
  ConnectionPtr add_connection(Connection::Side side);
  Peer* dial(const kernel::PeerAddress& to);
  [[nodiscard]] ConnectionPtr find_unheard(const std::string& address) const;
  void touch(Connection& connection);
  void answer_overloaded(const kernel::PeerAddress& to, std::uint64_t sequence, std::size_t unsent);
  void lose_later(const kernel::PeerAddress& peer);
  void lose(kernel::PeerAddress peer);
  void on_farewell(const kernel::PeerAddress& peer, kernel::ReplyMessage farewell);
  void note(kernel::LogLevel level, const std::string& text) const;

  void on_frame(Connection& connection, wire::PeerMessage message) override;
  void on_ended(Connection& connection, const std::string& why) override;
  void on_first_hello(Connection& connection, kernel::HelloMessage hello);
  void register_peer(Connection& connection, const kernel::PeerAddress& peer);
  [[nodiscard]] std::string find_fault(const Connection& connection, const kernel::HelloMessage& hello) const;

  asio::io_context& context_;
  TransportEvents events_;
  asio::local::stream_protocol::acceptor acceptor_;
  asio::steady_timer accept_later_;
  std::string listening_at_;
  bool is_parting_ = false;
  kernel::HelloMessage self_;
  kernel::ShardMap map_;
  std::set<ConnectionPtr> connections_;
  std::map<kernel::PeerAddress, Peer> peers_;
  std::vector<ConnectionPtr> to_flush_;
  // Lets what has been posted find out that the transport is gone.
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

/// "node-3", "client 42".
[[nodiscard]] std::string describe(const kernel::PeerAddress& peer);

}  // namespace epic::transport
