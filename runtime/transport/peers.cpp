#include "transport/peers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "kernel/placement_groups.hpp"

namespace epic::transport {

using kernel::BroadcastMessage;
using kernel::CallMessage;
using kernel::EndedMessage;
using kernel::HelloMessage;
using kernel::LogLevel;
using kernel::PeerAddress;
using kernel::RefusedPart;
using kernel::ReplyMessage;

namespace {

/// Incarnations by node; 0: it is no member.
using Lives = std::vector<std::uint64_t>;

Lives lives_of(const kernel::ShardMap& map) {
  Lives lives;
  for (const kernel::ShardMap::Member& member : map.members) {
    if (member.node.value >= lives.size()) lives.resize(member.node.value + 1);
    lives[member.node.value] = member.incarnation.value;
  }
  return lives;
}

bool lives_in(const Lives& lives, const PeerAddress& peer) {
  return !peer.is_client() && peer.node.value < lives.size() && lives[peer.node.value] == peer.life;
}

}  // namespace

std::string describe(const PeerAddress& peer) {
  return peer.is_client() ? fmt::format("client {}", peer.life) : fmt::format("node-{}", peer.node);
}

Peers::Peers(std::unique_ptr<Medium> medium, TransportEvents events, TransportLimits limits)
    : medium_(std::move(medium)), events_(std::move(events)), limits_(limits) {}

Peers::~Peers() { close(); }

void Peers::note(LogLevel level, const std::string& text) const {
  if (events_.on_note) events_.on_note(level, text);
}

// ---- connections ----

void Peers::introduce(HelloMessage hello) {
  self_ = std::move(hello);
  for (const auto& connection : connections_) push(*connection, self_);
}

std::expected<std::string, std::string> Peers::listen(const std::string& address) {
  auto listening = medium_->listen(
      address, [this, address](std::expected<StreamPtr, std::string> stream) { accept(std::move(stream), address); });
  if (!listening) return std::unexpected(fmt::format("cannot listen on {}: {}", address, listening.error()));
  return listening;
}

void Peers::accept(std::expected<StreamPtr, std::string> stream, const std::string& listening_at) {
  if (stream && connections_.size() >= limits_.connections_max) {
    (*stream)->close();
    refused_here_.add(Refusal::too_many);
    stream = std::unexpected(fmt::format("there are already {} connections", connections_.size()));
  }
  if (!stream)
    return note(LogLevel::warn, fmt::format("did not accept a connection to {}: {}", listening_at, stream.error()));
  const std::string from = (*stream)->peer_address();
  add(Connection::Side::accepted, from).start(std::move(*stream));
}

/// Our Hello goes first on every connection.
Connection& Peers::add(Connection::Side side, std::string address) {
  auto made = std::make_unique<Connection>(static_cast<Connection::Owner&>(*this), side, std::move(address));
  Connection& connection = *made;
  connection.number = ++connections_made_;
  connections_.push_back(std::move(made));
  strangers_.push_back(&connection);
  push(connection, self_);
  return connection;
}

Connection& Peers::dial(const std::string& address) {
  Connection& connection = add(Connection::Side::dialled, address);
  if (auto stream = medium_->dial(address))
    connection.start(std::move(*stream));
  else
    condemn(connection, fmt::format("cannot connect to {}: {}", address, stream.error()));
  return connection;
}

Peers::Peer* Peers::dial(const PeerAddress& to) {
  for (const kernel::ShardMap::Member& member : map_.members) {
    if (member.node != to.node || member.incarnation.value != to.life) continue;
    // A meeting in progress is already the connection; a second one would look like a restart of this end.
    const std::string address = address_of(member);
    Connection* connection = find_unheard(address);
    if (connection == nullptr || connection->expected) connection = &dial(address);
    connection->expected = to;
    return &(peers_[to] = {.dialled = connection, .accepted = nullptr, .out = connection});
  }
  return nullptr;
}

/// The connection to `address` that is waiting for the Hello; null: none.
Connection* Peers::find_unheard(const std::string& address) const {
  for (Connection* connection : strangers_)
    if (connection->side() == Connection::Side::dialled && connection->address() == address &&
        !connection->is_condemned() && !connection->has_said_last_word())
      return connection;
  return nullptr;
}

void Peers::meet(const std::string& address) {
  if (find_unheard(address) == nullptr) dial(address);
}

void Peers::set_map(const kernel::ShardMap& map) {
  const Lives before = lives_of(map_);
  const Lives now = lives_of(map);
  std::erase_if(left_, [&](const auto& left) { return lives_in(now, left.first); });
  for (const auto& [address, peer] : peers_)
    if (lives_in(before, address) && !lives_in(now, address)) left_.try_emplace(address, 0);
  map_ = map;
  if (self_.from.is_client()) return;
  for (const auto& [address, peer] : peers_)
    if (address.is_client()) push(*peer.out, map_);
}

/// Behind everything that a peer was sent, so on the connection that it was sent on; others of it say nothing.
/// Strangers are told when they have said who they are: one may be the second connection of a peer.
void Peers::part() {
  is_parting_ = true;
  medium_->stop_listening();
  for (const auto& [address, peer] : peers_)
    if (peer.out->peer) push(*peer.out, ReplyMessage{0, RefusedPart{map_.version}});
  for (const auto& connection : connections_)
    if (connection->peer) connection->say_no_more({});
}

void Peers::close() {
  medium_->stop_listening();
  to_flush_.clear();
  strangers_.clear();
  condemned_.clear();
  answers_.clear();
  unreachable_.clear();
  full_.clear();
  left_.clear();
  peers_.clear();
  for (auto& connection : std::exchange(connections_, {})) {
    connection->close();
    ended_.push_back(std::move(connection));
  }
}

// ---- out ----

void Peers::send(const PeerAddress& to, kernel::Message message) {
  const auto refuse = [&](std::uint64_t sequence) { answer_later(to, sequence, RefusedPart{}); };
  if (losing_ == to)
    return for_each_call(message, [&](std::uint64_t sequence) { refusals_.push_back({sequence, RefusedPart{}}); });
  const bool is_reply = std::holds_alternative<ReplyMessage>(message) || std::holds_alternative<EndedMessage>(message);
  const auto found = peers_.find(to);
  // A peer that is not there cannot be waiting for a reply: it lost us when we lost it.
  Peer* peer = found != peers_.end() ? &found->second : is_reply || is_parting_ ? nullptr : dial(to);
  if (peer == nullptr) {
    for_each_call(message, refuse);
    if (!is_reply) unreachable_.insert(to);
    return;
  }
  Connection& out = *peer->out;
  const bool makes_calls =
      std::holds_alternative<CallMessage>(message) || std::holds_alternative<BroadcastMessage>(message);
  if (makes_calls && out.has_said_last_word()) return for_each_call(message, refuse);
  if (out.peer)
    push(out, message);
  else if (!is_reply)
    out.hold(std::move(message));
  if (out.unsent_bytes() > limits_.unsent_bytes_full) full_.insert(to);
}

template <class Message>
void Peers::push(Connection& connection, const Message& message) {
  const std::size_t unsent = connection.unsent_bytes();
  if (unsent > limits_.unsent_bytes_max) return condemn(connection, fmt::format("it has {} unread bytes", unsent));
  connection.append(message);
  touch(connection);
}

void Peers::touch(Connection& connection) {
  if (!std::exchange(connection.is_in_flush_list, true)) to_flush_.push_back(&connection);
}

void Peers::flush() {
  auto connection = to_flush_.begin();
  for (; connection != to_flush_.end() && may_send(); ++connection) {
    (*connection)->is_in_flush_list = false;
    (*connection)->flush();
  }
  to_flush_.erase(to_flush_.begin(), connection);
}

void Peers::on_writable(Connection& connection) {
  if (may_send())
    connection.flush();
  else
    touch(connection);
}

std::size_t Peers::unsent_bytes() const {
  std::size_t bytes = 0;
  for (const auto& connection : connections_) bytes += connection->unsent_bytes();
  return bytes;
}

RefusalCounts Peers::refusals() const {
  RefusalCounts all = medium_->refusals();
  return all += refused_here_;
}

void Peers::condemn(Connection& connection, std::string why) {
  if (connection.is_condemned()) return;
  connection.condemn(std::move(why));
  condemned_.push_back(&connection);
}

void Peers::answer_later(const PeerAddress& to, std::uint64_t sequence, decltype(ReplyMessage::outcome) how) {
  answers_[to].push_back({sequence, std::move(how)});
}

// ---- time ----

std::optional<std::int64_t> Peers::next_timer_ns() const {
  if (!answers_.empty() || !unreachable_.empty() || !condemned_.empty()) return 0;
  if (std::ranges::any_of(full_, [this](const PeerAddress& peer) { return has_drained(peer); })) return 0;
  std::optional<std::int64_t> next;
  if (!strangers_.empty()) next = strangers_.back()->hello_due_ns == 0 ? 0 : strangers_.front()->hello_due_ns;
  for (const auto& [peer, lost_at_ns] : left_) next = std::min(next.value_or(INT64_MAX), lost_at_ns);
  return next;
}

void Peers::on_time(std::int64_t now_ns) {
  ended_.clear();
  for (const PeerAddress& peer : std::exchange(unreachable_, {})) {
    unreachable_.erase(peer);  // what the one before has brought about
    if (!peers_.contains(peer)) report(peer, {.answers = std::exchange(answers_[peer], {}), .unmet = {}});
  }
  for (auto& [to, answers] : std::exchange(answers_, {}))
    for (ReplyMessage& answer : answers) events_.on_message(to, std::move(answer));
  for (Connection* connection : std::exchange(condemned_, {})) on_end(*connection, connection->fault());
  std::vector<PeerAddress> drained;
  std::ranges::copy_if(full_, std::back_inserter(drained), [this](const auto& peer) { return has_drained(peer); });
  for (const PeerAddress& peer : drained) {
    if (!has_drained(peer)) continue;  // what the one before has brought about
    full_.erase(peer);
    if (events_.on_room) events_.on_room(peer);
  }
  // The timeout is counted from here, not from when the connection was made: our time may be outdated by then.
  for (auto late = strangers_.rbegin(); late != strangers_.rend() && (*late)->hello_due_ns == 0; ++late)
    (*late)->hello_due_ns = now_ns + limits_.hello_timeout.count();
  const auto is_late = [now_ns](const Connection& one) { return one.hello_due_ns != 0 && one.hello_due_ns <= now_ns; };
  while (!strangers_.empty() && is_late(*strangers_.front())) {
    refused_here_.add(Refusal::slow);
    on_end(*strangers_.front(), "it did not introduce itself in time");
  }
  lose_left(now_ns);
}

/// Of those that have ended in order the last answers may still be on their way. Others say no more, nor that they are
/// gone: their machine stands still, or is cut off.
void Peers::lose_left(std::int64_t now_ns) {
  std::vector<PeerAddress> lost;
  for (auto& [peer, lost_at_ns] : left_) {
    if (lost_at_ns == 0) lost_at_ns = now_ns + kLeftTimeout.count();
    if (lost_at_ns <= now_ns) lost.push_back(peer);
  }
  for (const PeerAddress& peer : lost) {
    if (left_.erase(peer) == 0) continue;  // what the one before has brought about
    note(LogLevel::debug, fmt::format("{} has left the fabric, and its connection had not ended", describe(peer)));
    lose(peer);
  }
}

// ---- in ----

void Peers::on_message(Connection& connection, protocol::PeerMessage message) {
  auto* reply = std::get_if<ReplyMessage>(&message);
  if (reply != nullptr && reply->sequence == 0) return on_last_word(connection, std::move(*reply));
  if (connection.has_said_last_word()) return;
  if (auto* hello = std::get_if<HelloMessage>(&message)) {
    if (!connection.peer) return on_first_hello(connection, std::move(*hello));
    if (hello->from != *connection.peer) return on_end(connection, "it introduced itself twice, as different peers");
    return events_.on_hello(*connection.peer, std::move(*hello));
  }
  if (!connection.peer) return on_end(connection, "it sent a message before it introduced itself");
  const PeerAddress peer = *connection.peer;
  if (auto* map = std::get_if<kernel::ShardMap>(&message)) {
    if (!events_.on_map) return on_end(connection, "it sent a shard map, which only clients get");
    return events_.on_map(peer, std::move(*map));
  }
  const auto* const broadcast = std::get_if<BroadcastMessage>(&message);
  const auto* const call = broadcast != nullptr ? &broadcast->first : std::get_if<CallMessage>(&message);
  if (call != nullptr && PeerAddress{call->id.node, call->id.life} != peer)
    return on_end(connection, "it sent a call in another peer's name");
  std::visit(
      [&](auto& one) {
        if constexpr (std::is_constructible_v<kernel::Message, decltype(std::move(one))>)
          events_.on_message(peer, std::move(one));
      },
      message);
}

void Peers::on_last_word(Connection& connection, ReplyMessage word) {
  if (const auto* error = std::get_if<kernel::ErrorPart>(&word.outcome))
    return on_end(connection, "it refused: " + error->message);
  if (!std::holds_alternative<RefusedPart>(word.outcome))
    return on_end(connection, "it answered a call that was never made");
  if (!connection.peer || connection.has_said_last_word()) return on_end(connection, {});
  const PeerAddress peer = *connection.peer;
  note(LogLevel::debug, fmt::format("{} has stopped", describe(peer)));
  if (auto lost = take_out(peer)) {
    lost->answers.insert(lost->answers.begin(), std::move(word));
    report(peer, *std::move(lost));
  }
}

/// The same because of the groups of classes. A client takes those of the first node that it meets, if it knows how.
std::string Peers::find_group_fault(const HelloMessage& hello, bool is_newcomer) const {
  if (is_newcomer) {
    const HelloMessage& node = hello.from.is_client() ? self_ : hello;
    const HelloMessage& client = hello.from.is_client() ? hello : self_;
    if (node.groups.empty() || client.places_groups) return {};
    return "the client was built with an epic that does not know together(…): build it again";
  }
  const kernel::Placement theirs(hello.shard_count, hello.groups);
  const kernel::Placement ours(self_.shard_count, self_.groups);
  for (const auto* groups : {&hello.groups, &self_.groups})
    for (const auto& [type, group] : *groups)
      if (theirs.group_of(type) != ours.group_of(type))
        return fmt::format("it has class {} {} instead of {}", type, kernel::group_text(type, theirs.group_of(type)),
                           kernel::group_text(type, ours.group_of(type)));
  return {};
}

/// A client learns the fabric from the first node it meets.
bool Peers::is_newcomer_on_either_side(const HelloMessage& hello) const {
  return (hello.from.is_client() && hello.fabric.empty()) || (self_.from.is_client() && self_.fabric.empty());
}

bool Peers::is_of_another_fabric(const HelloMessage& hello) const {
  return !is_newcomer_on_either_side(hello) && hello.fabric != self_.fabric;
}

/// Why we refuse the sender of this Hello; empty: we do not.
std::string Peers::find_fault(const Connection& connection, const HelloMessage& hello) const {
  if (hello.protocol != self_.protocol)
    return fmt::format("it speaks protocol {} instead of {}", hello.protocol, self_.protocol);
  const bool is_newcomer = is_newcomer_on_either_side(hello);
  if (is_of_another_fabric(hello))
    return fmt::format("it belongs to the fabric '{}' instead of '{}'", hello.fabric, self_.fabric);
  if (!is_newcomer && hello.shard_count != self_.shard_count)
    return fmt::format("it has {} shards instead of {}", hello.shard_count, self_.shard_count);
  if (const std::string fault = find_group_fault(hello, is_newcomer); !fault.empty()) return fault;
  if (hello.from == self_.from || hello.from.life == 0) return "it does not say who it is";
  if (connection.side() == Connection::Side::dialled && hello.from.is_client()) return "a client listens there";
  if (connection.expected && hello.from != *connection.expected)
    return fmt::format("incarnation {} of {} was expected there, but incarnation {} of {} answered",
                       connection.expected->life, describe(*connection.expected), hello.from.life,
                       describe(hello.from));
  return {};
}

void Peers::on_first_hello(Connection& connection, HelloMessage hello) {
  if (const std::string fault = find_fault(connection, hello); !fault.empty()) {
    if (is_of_another_fabric(hello)) refused_here_.add(Refusal::wrong_fabric);
    push(connection, ReplyMessage{0, kernel::ErrorPart{ErrorCode::unavailable, {}, fault}});
    return connection.say_no_more(fault);
  }
  const PeerAddress peer = hello.from;
  if (is_parting_) {
    const auto known = peers_.find(peer);
    const bool was_told = known != peers_.end() && known->second.out->peer;
    if (!was_told) push(connection, ReplyMessage{0, RefusedPart{map_.version}});
    return connection.say_no_more({});
  }
  if (was_lost_since(connection, peer)) return on_end(connection, "its peer was lost before it introduced itself");
  register_peer(connection, peer);
  events_.on_hello(peer, std::move(hello));
}

bool Peers::was_lost_since(const Connection& connection, const PeerAddress& peer) const {
  return std::ranges::any_of(
      losses_, [&](const Loss& loss) { return loss.peer == peer && connection.number <= loss.connections_made; });
}

/// What is sent from within the reports of a loss must find the connection registered, not a stranger.
void Peers::register_peer(Connection& connection, const PeerAddress& address) {
  const bool is_dialled = connection.side() == Connection::Side::dialled;
  std::optional<Lost> lost;
  if (const auto known = peers_.find(address); known != peers_.end()) {
    const Connection* before = is_dialled ? known->second.dialled : known->second.accepted;
    if (before != nullptr && before != &connection) lost = take_out(address);  // it has connected again
  }
  connection.peer = address;
  std::erase(strangers_, &connection);
  Peer& peer = peers_[address];
  (is_dialled ? peer.dialled : peer.accepted) = &connection;
  if (peer.out != nullptr && !peer.out->peer)
    connection.take_held(*peer.out);  // the peer connected before our connection was established
  if (peer.out == nullptr || !peer.out->peer) peer.out = &connection;
  connection.append_held();
  if (address.is_client() && map_.version.value != 0) push(connection, map_);
  touch(connection);
  if (lost) report(address, std::move(*lost));
}

// ---- ends ----

void Peers::on_end(Connection& connection, const std::string& reported) {
  if (connection.is_closed()) return;
  remove(connection);
  const bool is_dialled = connection.side() == Connection::Side::dialled;
  const std::string& why = connection.fault().empty() ? reported : connection.fault();
  const auto& peer = connection.peer ? connection.peer : connection.expected;
  note(why.empty() ? LogLevel::debug : LogLevel::warn,
       fmt::format("closed the connection {} {}: {}", is_dialled ? "to" : "from",
                   peer                           ? describe(*peer)
                   : connection.address().empty() ? "an unknown peer"
                                                  : connection.address(),
                   why.empty() ? "it ended" : why));
  if (is_dialled && !connection.peer && events_.on_unmet)
    events_.on_unmet(connection.address(), why.empty() ? "it ended" : why);
  if (!peer) return;
  const auto known = peers_.find(*peer);
  if (known == peers_.end()) return;
  if (!connection.peer && known->second.out != &connection)  // the peer has connected by itself
    known->second.dialled = nullptr;
  else
    lose(*peer);
}

void Peers::lose(PeerAddress address) {
  if (auto lost = take_out(address)) report(address, std::move(*lost));
}

/// Closes its connections.
std::optional<Peers::Lost> Peers::take_out(const PeerAddress& address) {
  const auto entry = peers_.extract(address);
  if (entry.empty()) return std::nullopt;
  full_.erase(address);
  left_.erase(address);
  const std::uint64_t oldest = strangers_.empty() ? connections_made_ : strangers_.front()->number;
  while (!losses_.empty() && losses_.front().connections_made < oldest) losses_.pop_front();
  losses_.push_back({address, connections_made_});
  Lost lost;
  if (auto waiting = answers_.extract(address)) lost.answers = std::move(waiting.mapped());
  for (Connection* connection : {entry.mapped().dialled, entry.mapped().accepted}) {
    if (connection == nullptr) continue;
    for (const kernel::Message& held : connection->release_held())
      for_each_call(held, [&](std::uint64_t sequence) { lost.answers.push_back({sequence, RefusedPart{}}); });
    const bool is_meeting = connection == entry.mapped().dialled && !connection->peer && !connection->is_closed();
    if (is_meeting) lost.unmet.push_back(connection->address());
    remove(*connection);
  }
  return lost;
}

void Peers::report(const PeerAddress& address, Lost lost) {
  losing_ = address;
  for (refusals_ = std::move(lost.answers); !refusals_.empty();)  // a refusal may make its receiver try once more
    for (ReplyMessage& answer : std::exchange(refusals_, {})) events_.on_message(address, std::move(answer));
  losing_.reset();
  events_.on_lost(address);
  for (const std::string& where : lost.unmet)
    if (events_.on_unmet) events_.on_unmet(where, fmt::format("{} has gone", describe(address)));
}

void Peers::remove(Connection& connection) {
  if (connection.is_closed()) return;
  connection.close();
  std::erase(strangers_, &connection);
  std::erase(to_flush_, &connection);
  std::erase(condemned_, &connection);
  const auto entry = std::ranges::find(connections_, &connection, &std::unique_ptr<Connection>::get);
  ended_.push_back(std::move(*entry));
  connections_.erase(entry);
}

}  // namespace epic::transport
