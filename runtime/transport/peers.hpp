#pragma once
// Peers: the protocol between processes as a state machine over any medium. Bytes and time in, bytes and events out; no
// sockets, no threads, no clock.
//
// A connection goes through these states:
//
//     dialled ──▶ opening ─┐
//                          ├─▶ stranger ──Hello──▶ peer ──▶ ended
//     accepted ─▶ opening ─┘       └─ wrong Hello, garbage, 10 s ─▶ refused ─▶ ended
//
// Only our Hello is sent before the peer's Hello has arrived and is the expected one. Two nodes may dial each other at
// the same time, so a peer has up to two connections. We send on the one by which it introduced itself first and stay
// with it, which keeps the order; we read both. When either ends the peer is lost and the other is closed, so that
// "lost" means the same at both ends. A dial that has not led to a Hello does not count: if it fails while the peer has
// connected by itself, nothing is lost. A connection made before its peer was lost, whose Hello arrives afterwards, may
// bring replies to calls that have ended: it is closed. Where two cross, such a reply can still come; nobody waits for
// it. A restarted node listens at its former address: who answers there must have the expected incarnation.
//
// The last message is a reply to call 0, which is never made: an error refuses the other side (wrong fabric, protocol
// or shard count), a refusal says that we stop. Its sender then reads only the other's last message and waits for it to
// close, so that no byte in transit is cut off.
//
// The connection to a machine that stands still or is cut off does not end. So a peer that a map has named, and the
// next one does not, is lost after a while (kLeftTimeout): it has ended, or may not answer any more.
//
// What cannot be reported at once (send() never calls back) is reported by on_time().

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "transport/connection.hpp"
#include "transport/stream.hpp"
#include "transport/transport.hpp"

namespace epic::transport {

class Peers final : public Transport, private Connection::Owner {
 public:
  /// From the first map that does not name a peer any more to its loss, if its connection has not ended by then.
  static constexpr std::chrono::nanoseconds kLeftTimeout = std::chrono::milliseconds(500);

  Peers(std::unique_ptr<Medium> medium, TransportEvents events, TransportLimits limits = {});
  ~Peers() override;

  void introduce(kernel::HelloMessage hello) override;
  [[nodiscard]] std::expected<std::string, std::string> listen(const std::string& address) override;
  [[nodiscard]] std::string address_of(const kernel::ShardMap::Member& member) const override {
    return medium_->address_of(member);
  }
  void set_map(const kernel::ShardMap& map) override;
  void meet(const std::string& address) override;
  void send(const kernel::PeerAddress& to, kernel::Message message) override;
  [[nodiscard]] bool has_room(const kernel::PeerAddress& to) const override { return !full_.contains(to); }
  void flush() override;
  [[nodiscard]] std::size_t unsent_bytes() const override;
  [[nodiscard]] RefusalCounts refusals() const override;
  void on_time(std::int64_t now_ns) override;
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const override;
  void hide() override { medium_->hide(); }
  void part() override;
  [[nodiscard]] bool is_alone() const override { return connections_.empty(); }
  void close() override;

 private:
  struct Peer {
    Connection* dialled = nullptr;
    Connection* accepted = nullptr;
    Connection* out = nullptr;  // the one that we send on
  };
  /// What is to be reported of a peer that has been taken out.
  struct Lost {
    std::vector<kernel::ReplyMessage> answers;  // to calls that have not left
    std::vector<std::string> unmet;
  };

  Connection& add(Connection::Side side, std::string address = {});
  Connection& dial(const std::string& address);
  Peer* dial(const kernel::PeerAddress& to);
  void accept(std::expected<StreamPtr, std::string> stream, const std::string& listening_at);
  [[nodiscard]] Connection* find_unheard(const std::string& address) const;
  template <class Message>
  void push(Connection& connection, const Message& message);
  void touch(Connection& connection);
  /// A peer that had no room has sent enough since.
  [[nodiscard]] bool has_drained(const kernel::PeerAddress& peer) const {
    return peers_.at(peer).out->unsent_bytes() <= limits_.unsent_bytes_full / 2;
  }
  void condemn(Connection& connection, std::string why);
  void answer_later(const kernel::PeerAddress& to, std::uint64_t sequence, decltype(kernel::ReplyMessage::outcome) how);

  [[nodiscard]] bool may_send() const { return !events_.may_send || events_.may_send(); }

  void on_writable(Connection& connection) override;
  void on_message(Connection& connection, protocol::PeerMessage message) override;
  void on_end(Connection& connection, const std::string& why) override;
  void on_first_hello(Connection& connection, kernel::HelloMessage hello);
  void on_last_word(Connection& connection, kernel::ReplyMessage word);
  void register_peer(Connection& connection, const kernel::PeerAddress& peer);
  [[nodiscard]] bool was_lost_since(const Connection& connection, const kernel::PeerAddress& peer) const;
  [[nodiscard]] bool is_newcomer_on_either_side(const kernel::HelloMessage& hello) const;
  [[nodiscard]] bool is_of_another_fabric(const kernel::HelloMessage& hello) const;
  [[nodiscard]] std::string find_fault(const Connection& connection, const kernel::HelloMessage& hello) const;
  [[nodiscard]] std::string find_group_fault(const kernel::HelloMessage& hello, bool is_newcomer) const;

  void lose_left(std::int64_t now_ns);
  void lose(kernel::PeerAddress peer);
  [[nodiscard]] std::optional<Lost> take_out(const kernel::PeerAddress& peer);
  void report(const kernel::PeerAddress& peer, Lost lost);
  void remove(Connection& connection);
  void note(kernel::LogLevel level, const std::string& text) const;

  std::unique_ptr<Medium> medium_;
  TransportEvents events_;
  TransportLimits limits_;
  kernel::HelloMessage self_;
  kernel::ShardMap map_;
  RefusalCounts refused_here_;  // beside the medium's
  bool is_parting_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;  // oldest first
  std::map<kernel::PeerAddress, Peer> peers_;
  std::vector<Connection*> to_flush_;
  std::vector<Connection*> strangers_;  // no Hello yet; oldest first
  std::vector<Connection*> condemned_;
  struct Loss {
    kernel::PeerAddress peer;
    std::uint64_t connections_made;
  };
  std::deque<Loss> losses_;  // since the oldest stranger was made
  std::uint64_t connections_made_ = 0;
  std::map<kernel::PeerAddress, std::vector<kernel::ReplyMessage>> answers_;  // to what was not sent
  std::set<kernel::PeerAddress> unreachable_;                                 // to be reported as lost
  std::set<kernel::PeerAddress> full_;                                        // no room for calls
  std::map<kernel::PeerAddress, std::int64_t> left_;  // not named any more: when they are lost; 0: not known yet
  std::optional<kernel::PeerAddress> losing_;         // its refusals are being reported
  std::vector<kernel::ReplyMessage> refusals_;        // … and answer what is sent to it meanwhile: that has not left
  std::vector<std::unique_ptr<Connection>> ended_;    // until on_time(): they may be in the middle of a call
};

/// "node-3", "client 42".
[[nodiscard]] std::string describe(const kernel::PeerAddress& peer);

}  // namespace epic::transport
