#include "client/contact.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/place.hpp"

namespace epic::client {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::nanoseconds kSeekEvery = 50ms;
constexpr std::chrono::nanoseconds kSeekSeldom = 500ms;
constexpr std::chrono::nanoseconds kAbsenceMax = 3s;

}  // namespace

Contact::Contact(std::uint64_t life, std::chrono::nanoseconds call_timeout, const kernel::Codec& codec,
                 std::string place, Uses uses)
    : place_(std::move(place)),
      uses_(std::move(uses)),
      router_(life, call_timeout, codec,
              {.send = [this](const kernel::PeerAddress& to,
                              kernel::Message message) { transport_->send(to, std::move(message)); },
               .has_room = [this](const kernel::PeerAddress& to) { return transport_->has_room(to); },
               .introduce = [this](const kernel::HelloMessage& hello) { transport_->introduce(hello); }}) {}

transport::TransportEvents Contact::events() {
  return {
      .on_hello = [this](const kernel::PeerAddress& node, const kernel::HelloMessage& hello) { on_hello(node, hello); },
      .on_message =
          [this](const kernel::PeerAddress& node, const kernel::Message& message) {
            touch_time();
            if (const auto* reply = std::get_if<kernel::ReplyMessage>(&message)) router_.on_reply(node, *reply);
          },
      .on_lost = [this](const kernel::PeerAddress& node) { on_lost(node); },
      .on_room =
          [this](const kernel::PeerAddress& node) {
            touch_time();
            router_.on_room(node);
          },
      .on_map = [this](const kernel::PeerAddress& node, kernel::ShardMap map) { on_map(node, std::move(map)); },
      .on_unmet = [this](const std::string& address, const std::string& why) { on_unmet(address, why); },
      .on_note = {}};
}

void Contact::start(transport::Transport& transport) {
  transport_ = &transport;
  alone_since_ns_ = uses_.now_ns();
  transport_->introduce(router_.hello());
}

// ---- ticks ----

void Contact::touch_time() {
  if (!std::exchange(is_time_fresh_, true)) router_.on_time(uses_.now_ns());
}

void Contact::begin_tick() {
  is_time_fresh_ = false;
  touch_time();
  transport_->on_time(uses_.now_ns());
}

std::uint64_t Contact::submit(RecordRef call, Router::OnEnd on_end) {
  touch_time();
  const std::uint64_t number = router_.submit(std::move(call), std::move(on_end));
  if (nodes_.empty()) seek_at_ns_ = std::min(seek_at_ns_, sought_at_ns_ + kSeekEvery.count());
  return number;
}

void Contact::cancel(std::uint64_t number) {
  touch_time();
  router_.cancel(number);
}

std::int64_t Contact::end_tick() {
  if (nodes_.empty())
    seek(uses_.now_ns());
  else
    meet_doubtful();
  transport_->flush();
  is_time_fresh_ = false;
  std::int64_t until_ns = router_.next_timer_ns().value_or(INT64_MAX);
  until_ns = std::min(until_ns, transport_->next_timer_ns().value_or(INT64_MAX));
  return nodes_.empty() ? std::min(until_ns, seek_at_ns_) : until_ns;
}

// ---- finding a node ----

/// Looks for a node to start from.
void Contact::seek(std::int64_t now_ns) {
  if (now_ns < seek_at_ns_) return;
  seek_at_ns_ = now_ns + (is_long_alone() ? kSeekSeldom : kSeekEvery).count();
  if (!seeking_.empty()) {
    if (now_ns - sought_at_ns_ >= kSeekSeldom.count()) release_waiting();
    return;
  }
  sought_at_ns_ = now_ns;
  std::vector<std::string> addresses = uses_.list_addresses();
  for (const kernel::ShardMap::Member& member : router_.map().members)  // nodes of other machines cannot be listed
    if (std::string address = transport_->address_of(member); address != member.address)
      addresses.push_back(std::move(address));
  seeking_.insert(addresses.begin(), addresses.end());
  set_absence(seeking_.empty() ? describe_absence(place_, last_unmet_) : std::string());
  if (seeking_.empty()) release_waiting();
  for (const std::string& address : std::set(seeking_)) transport_->meet(address);
}

bool Contact::is_long_alone() const { return uses_.now_ns() - alone_since_ns_ > kAbsenceMax.count(); }

/// No address that is being tried has answered. After a while without a node, calls do not wait for the next attempt.
void Contact::release_waiting() {
  if (is_long_alone()) router_.on_unreachable(describe_absence(place_, last_unmet_));
}

/// Addresses of nodes that are connected are left alone: a second connection would end the first.
void Contact::meet_doubtful() {
  for (const std::string& address : std::exchange(doubtful_, {})) {
    const bool is_connected = std::ranges::any_of(router_.map().members, [&](const kernel::ShardMap::Member& member) {
      return transport_->address_of(member) == address && nodes_.contains({member.node, member.incarnation.value});
    });
    if (is_connected) continue;
    seeking_.insert(address);
    transport_->meet(address);
  }
}

void Contact::on_unmet(const std::string& address, const std::string& why) {
  if (seeking_.erase(address) == 0) doubtful_.insert(address);
  last_unmet_ = why;
  if (!seeking_.empty() || !nodes_.empty()) return;
  set_absence(describe_absence(place_, last_unmet_));
  release_waiting();
}

void Contact::set_absence(std::string why) {
  if (std::exchange(absence_, std::move(why)) != absence_) uses_.on_change();
}

// ---- connected nodes ----

void Contact::on_hello(const kernel::PeerAddress& node, const kernel::HelloMessage& hello) {
  touch_time();
  seeking_.clear();
  set_absence({});
  if (router_.on_hello(node, hello)) nodes_.clear();
  nodes_.insert(node);
}

void Contact::on_lost(const kernel::PeerAddress& node) {
  touch_time();
  router_.on_lost(node, uses_.read_last_words(node));
  if (nodes_.erase(node) > 0 && nodes_.empty()) alone_since_ns_ = seek_at_ns_ = uses_.now_ns();
}

void Contact::on_map(const kernel::PeerAddress& node, kernel::ShardMap map) {
  touch_time();
  if (!nodes_.contains(node) || map.version <= router_.map().version) return;  // another node's, and older
  const bool was_ready = is_ready();
  transport_->set_map(map);
  router_.on_map(std::move(map));
  if (is_ready() && !was_ready) uses_.on_change();
}

std::string describe_absence(const std::string& place, const std::string& why) {
  const std::string reason = why.empty() ? std::string() : " (" + why + ")";
  if (place.starts_with(kAddressStart)) return fmt::format("no fabric answers at {}{}", place, reason);
  return fmt::format("no fabric answers in {}{}: start it with 'epic run'", place, reason);
}

}  // namespace epic::client
