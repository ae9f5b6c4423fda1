#include "transport/unix_transport.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace epic::transport {

using kernel::HelloMessage;
using kernel::LogLevel;
using kernel::PeerAddress;

namespace {

/// After an error such as too many open files.
constexpr std::chrono::milliseconds kAcceptRetry{100};

}  // namespace

std::string describe(const PeerAddress& peer) {
  return peer.is_client() ? fmt::format("client {}", peer.life) : fmt::format("node-{}", peer.node);
}

UnixTransport::UnixTransport(asio::io_context& context, TransportEvents events)
    : context_(context), events_(std::move(events)), acceptor_(context), accept_later_(context) {}

UnixTransport::~UnixTransport() {
  close();
  *is_alive_ = false;
}

void UnixTransport::note(LogLevel level, const std::string& text) const {
  if (events_.on_note) events_.on_note(level, text);
}

void UnixTransport::introduce(HelloMessage hello) {
  self_ = std::move(hello);
  for (const ConnectionPtr& connection : connections_) {
    connection->gather(self_);
    touch(*connection);
  }
}

// ---- connections ----

std::expected<void, std::string> UnixTransport::listen(const std::string& address) {
  const auto failed = [&](const boost::system::error_code& error) {
    return std::unexpected(fmt::format("cannot listen on {}: {}", address, error.message()));
  };
  if (address.size() > kPathBytesMax)
    return std::unexpected(fmt::format("cannot listen on {}: a socket's path has at most {} bytes, this one has {}",
                                       address, kPathBytesMax, address.size()));
  ::unlink(address.c_str());
  boost::system::error_code error;
  acceptor_.open(asio::local::stream_protocol(), error);
  if (error) return failed(error);
  acceptor_.bind(asio::local::stream_protocol::endpoint(address), error);
  if (error) return failed(error);
  // Nobody can connect before listen().
  if (::chmod(address.c_str(), 0600) != 0) return failed({errno, boost::system::system_category()});
  acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed(error);
  listening_at_ = address;
  accept_more();
  return {};
}

void UnixTransport::accept_more() {
  acceptor_.async_accept([this, alive = is_alive_](const boost::system::error_code& error, Connection::Socket socket) {
    if (!*alive || error == asio::error::operation_aborted) return;
    if (error) {
      accept_later_.expires_after(kAcceptRetry);
      accept_later_.async_wait([this, alive](const boost::system::error_code& cancelled) {
        if (*alive && !cancelled) accept_more();
      });
      return note(LogLevel::warn, fmt::format("a connection to {} was not taken: {}", listening_at_, error.message()));
    }
    if (connections_.size() >= kConnectionsMax) {
      note(LogLevel::warn,
           fmt::format("a connection to {} was not taken: there are {} already", listening_at_, connections_.size()));
    } else {
      const ConnectionPtr connection = add_connection(Connection::Side::accepted);
      connection->adopt(std::move(socket));
      connection->start_waiting_for_hello();
    }
    accept_more();
  });
}

/// Our Hello goes first on every connection.
UnixTransport::ConnectionPtr UnixTransport::add_connection(Connection::Side side) {
  auto connection = std::make_shared<Connection>(context_, static_cast<Connection::Owner&>(*this), side);
  connections_.insert(connection);
  connection->gather(self_);
  touch(*connection);
  return connection;
}

UnixTransport::Peer* UnixTransport::dial(const PeerAddress& to) {
  for (const kernel::ShardMap::Member& member : map_.members) {
    if (member.node != to.node || member.incarnation.value != to.life) continue;
    // A meeting under way is the connection already; a second one would look as if this end had come anew.
    ConnectionPtr connection = find_unheard(member.address);
    const bool is_new = connection == nullptr || connection->expected;
    if (is_new) connection = add_connection(Connection::Side::dialled);
    connection->expected = to;
    Peer& peer = peers_[to];
    peer.dialled = connection;
    peer.out = connection.get();
    if (!is_new) return &peer;
    connection->dial(member.address);
    connection->start_waiting_for_hello();
    return &peer;
  }
  return nullptr;
}

/// The connection that was dialled to `address` and has not heard who is there yet; null: none.
UnixTransport::ConnectionPtr UnixTransport::find_unheard(const std::string& address) const {
  for (const ConnectionPtr& connection : connections_)
    if (connection->side() == Connection::Side::dialled && !connection->peer && connection->address() == address)
      return connection;
  return nullptr;
}

void UnixTransport::meet(const std::string& address) {
  if (find_unheard(address)) return;
  const ConnectionPtr connection = add_connection(Connection::Side::dialled);
  connection->dial(address);
  connection->start_waiting_for_hello();
}

void UnixTransport::set_map(const kernel::ShardMap& map) {
  map_ = map;
  if (self_.from.is_client()) return;
  for (const auto& [address, peer] : peers_) {
    if (!address.is_client()) continue;
    peer.out->gather(map_);
    touch(*peer.out);
  }
}

void UnixTransport::hide() {
  if (!listening_at_.empty()) ::unlink(std::exchange(listening_at_, {}).c_str());
}

/// Behind everything that a peer was told, so on the connection that it was told on; others of it say nothing.
void UnixTransport::part() {
  is_parting_ = true;
  hide();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (const ConnectionPtr& connection : connections_) {
    const auto peer = connection->peer ? peers_.find(*connection->peer) : peers_.end();
    if (peer != peers_.end() && peer->second.out != connection.get()) continue;
    connection->gather(kernel::ReplyMessage{0, kernel::RefusedPart{map_.version}});
    touch(*connection);
  }
}

void UnixTransport::close() {
  hide();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (const ConnectionPtr& connection : connections_) connection->close();
  peers_.clear();
  to_flush_.clear();
  connections_.clear();
}

// ---- out ----

void UnixTransport::send(const PeerAddress& to, kernel::Message message) {
  const auto found = peers_.find(to);
  Peer* peer = found != peers_.end() ? &found->second : dial(to);
  if (peer == nullptr) return lose_later(to);
  Connection& out = *peer->out;
  const std::size_t unsent = out.unsent_bytes();
  if (unsent > kOutputBytesFull)
    if (const auto* call = std::get_if<kernel::CallMessage>(&message))
      return answer_overloaded(to, call->id.sequence, unsent);
  if (unsent > kOutputBytesMax) return out.fail(fmt::format("it has left {} bytes unread", unsent));
  if (!out.peer) {
    if (const auto* call = std::get_if<kernel::CallMessage>(&message)) out.held_calls.push_back(call->id.sequence);
    return out.hold(message);
  }
  out.gather(message);
  touch(out);
}

void UnixTransport::touch(Connection& connection) {
  if (std::exchange(connection.is_in_flush_list, true)) return;
  to_flush_.push_back(connection.shared_from_this());
}

void UnixTransport::flush() {
  for (const ConnectionPtr& connection : std::exchange(to_flush_, {})) {
    connection->is_in_flush_list = false;
    connection->flush();
  }
}

std::size_t UnixTransport::unsent_bytes() const {
  std::size_t bytes = 0;
  for (const ConnectionPtr& connection : connections_) bytes += connection->unsent_bytes();
  return bytes;
}

void UnixTransport::answer_overloaded(const PeerAddress& to, std::uint64_t sequence, std::size_t unsent) {
  asio::post(context_, [this, alive = is_alive_, to, sequence, unsent] {
    if (!*alive) return;
    events_.on_message(
        to, kernel::ReplyMessage{sequence,
                                 kernel::ErrorPart{ErrorCode::overloaded,
                                                   {},
                                                   fmt::format("the call was not sent: {} has left {} bytes unread",
                                                               describe(to), unsent)}});
  });
}

// ---- in ----

void UnixTransport::on_frame(Connection& connection, wire::PeerMessage message) {
  if (is_parting_) {  // nothing is heard any more, but that the other end parts as well
    const auto* reply = std::get_if<kernel::ReplyMessage>(&message);
    if (reply != nullptr && reply->sequence == 0) connection.fail(std::string(kUsualEnd));
    return;
  }
  if (auto* hello = std::get_if<HelloMessage>(&message)) {
    if (!connection.peer) return on_first_hello(connection, std::move(*hello));
    if (hello->from != *connection.peer) return connection.fail("it introduced itself twice, as another");
    return events_.on_hello(*connection.peer, std::move(*hello));
  }
  if (auto* reply = std::get_if<kernel::ReplyMessage>(&message); reply != nullptr && reply->sequence == 0) {
    if (connection.peer && std::holds_alternative<kernel::RefusedPart>(reply->outcome))
      return on_farewell(*connection.peer, std::move(*reply));
    const auto* error = std::get_if<kernel::ErrorPart>(&reply->outcome);
    return connection.fail(error == nullptr ? "it answered a call that was never made"
                                            : "it refused: " + error->message);
  }
  if (!connection.peer) return connection.fail("it spoke before it introduced itself");
  if (auto* map = std::get_if<kernel::ShardMap>(&message)) {
    if (!events_.on_map) return connection.fail("it sent a shard map, which is for clients");
    return events_.on_map(*connection.peer, std::move(*map));
  }
  std::visit(
      [&](auto& one) {
        if constexpr (std::is_constructible_v<kernel::Message, decltype(std::move(one))>)
          events_.on_message(*connection.peer, std::move(one));
      },
      message);
}

/// Why we do not talk to whoever says this; empty: we do.
std::string UnixTransport::find_fault(const Connection& connection, const HelloMessage& hello) const {
  if (hello.protocol != self_.protocol)
    return fmt::format("it speaks protocol {}, and {} is spoken here", hello.protocol, self_.protocol);
  // A client learns from the first node it meets what its fabric is.
  const bool is_newcomer =
      (hello.from.is_client() && hello.fabric.empty()) || (self_.from.is_client() && self_.fabric.empty());
  if (!is_newcomer && hello.fabric != self_.fabric)
    return fmt::format("it belongs to the fabric '{}', and this is '{}'", hello.fabric, self_.fabric);
  if (!is_newcomer && hello.shard_count != self_.shard_count)
    return fmt::format("it counts {} shards, and there are {} here", hello.shard_count, self_.shard_count);
  if (hello.from == self_.from || hello.from.life == 0) return "it does not say who it is";
  if (connection.side() == Connection::Side::dialled && hello.from.is_client()) return "a client listens there";
  if (connection.expected && hello.from != *connection.expected)
    return fmt::format("{} in its life {} was expected there, and {} in its life {} answered",
                       describe(*connection.expected), connection.expected->life, describe(hello.from),
                       hello.from.life);
  return {};
}

void UnixTransport::on_first_hello(Connection& connection, HelloMessage hello) {
  if (const std::string fault = find_fault(connection, hello); !fault.empty()) {
    connection.gather(kernel::ReplyMessage{0, kernel::ErrorPart{ErrorCode::unavailable, {}, fault}});
    return connection.fail_after_flush(fault);
  }
  const PeerAddress peer = hello.from;
  register_peer(connection, peer);
  events_.on_hello(peer, std::move(hello));
}

void UnixTransport::register_peer(Connection& connection, const PeerAddress& address) {
  if (const auto known = peers_.find(address); known != peers_.end()) {
    const ConnectionPtr& before =
        connection.side() == Connection::Side::dialled ? known->second.dialled : known->second.accepted;
    if (before && before.get() != &connection) lose(address);  // it has connected anew
  }
  connection.peer = address;
  connection.stop_waiting_for_hello();
  Peer& peer = peers_[address];
  (connection.side() == Connection::Side::dialled ? peer.dialled : peer.accepted) = connection.shared_from_this();
  if (peer.out != nullptr && !peer.out->peer) connection.take_held(*peer.out);  // the peer was faster than our dial
  if (peer.out == nullptr || !peer.out->peer) peer.out = &connection;
  connection.gather_held();
  if (address.is_client() && map_.version.value != 0) connection.gather(map_);
  touch(connection);
}

// ---- ends ----

void UnixTransport::on_ended(Connection& connection, const std::string& why) {
  const ConnectionPtr kept = connection.shared_from_this();
  connections_.erase(kept);
  const auto& peer = connection.peer ? connection.peer : connection.expected;
  const std::string who = peer ? describe(*peer) : connection.address().empty() ? "a stranger" : connection.address();
  note(why == kUsualEnd ? LogLevel::debug : LogLevel::warn,
       fmt::format("the connection {} {} was closed: {}",
                   connection.side() == Connection::Side::dialled ? "to" : "from", who, why));
  if (connection.side() == Connection::Side::dialled && !connection.peer && events_.on_unmet)
    events_.on_unmet(connection.address(), why);
  if (peer) {
    for (const std::uint64_t sequence : std::exchange(connection.held_calls, {}))
      events_.on_message(*peer, kernel::ReplyMessage{sequence, kernel::RefusedPart{}});
    lose(*peer);
  }
}

void UnixTransport::lose_later(const PeerAddress& peer) {
  asio::post(context_, [this, alive = is_alive_, peer] {
    if (*alive && !peers_.contains(peer)) events_.on_lost(peer);
  });
}

void UnixTransport::on_farewell(const PeerAddress& peer, kernel::ReplyMessage farewell) {
  note(LogLevel::debug, fmt::format("{} has taken its leave", describe(peer)));
  const PeerAddress kept = peer;  // the connection that holds it may go
  events_.on_message(kept, std::move(farewell));
  lose(kept);
}

void UnixTransport::lose(PeerAddress address) {
  const auto found = peers_.find(address);
  if (found == peers_.end()) return;
  const Peer peer = std::move(found->second);
  peers_.erase(found);
  for (const ConnectionPtr& connection : {peer.dialled, peer.accepted}) {
    if (!connection) continue;
    connection->close();
    connections_.erase(connection);
  }
  events_.on_lost(address);
}

}  // namespace epic::transport
