#include "cluster/sim/sim_client.hpp"

#include <algorithm>
#include <chrono>

#include "transport/peers.hpp"

namespace epic::cluster::sim {

namespace {

constexpr nanoseconds kSeekEvery = std::chrono::milliseconds(50);

}  // namespace

SimClient::SimClient(World& world, Network& network, Place place, std::vector<std::string> addresses,
                     nanoseconds call_timeout)
    : Process(world),
      network_(network),
      addresses_(std::move(addresses)),
      transport_(std::make_unique<transport::Peers>(network.make_medium(*this, place), transport_events())),
      router_(world.random() | 1, call_timeout, codec_,
              {.send = [this](const kernel::PeerAddress& to,
                              kernel::Message message) { transport_->send(to, std::move(message)); },
               .introduce = [this](const kernel::HelloMessage& hello) { transport_->introduce(hello); }}) {
  touch_time();
  transport_->introduce(router_.hello());
  after(nanoseconds(1), fingerprint_of("client"), [] {});
}

SimClient::~SimClient() {
  transport_->close();
  network_.on_process_gone(process_id());
}

transport::TransportEvents SimClient::transport_events() {
  return {.on_hello =
              [this](const kernel::PeerAddress& node, const kernel::HelloMessage& hello) {
                touch_time();
                if (router_.on_hello(node, hello)) nodes_.clear();
                nodes_.insert(node);
              },
          .on_message =
              [this](const kernel::PeerAddress& node, const kernel::Message& message) {
                touch_time();
                if (const auto* reply = std::get_if<kernel::ReplyMessage>(&message)) router_.on_reply(node, *reply);
              },
          .on_lost =
              [this](const kernel::PeerAddress& node) {
                touch_time();
                router_.on_lost(node);
                nodes_.erase(node);
              },
          .on_map =
              [this](const kernel::PeerAddress& node, kernel::ShardMap map) {
                touch_time();
                if (!nodes_.contains(node) || map.version <= router_.map().version) return;
                transport_->set_map(map);
                router_.on_map(std::move(map));
              },
          .on_unmet = {},
          .on_note = {}};
}

void SimClient::touch_time() {
  if (std::exchange(is_time_fresh_, true)) return;
  router_.on_time(clock().monotonic_ns());
}

std::int64_t SimClient::sleep() {
  touch_time();
  transport_->on_time(clock().monotonic_ns());
  if (nodes_.empty()) seek();
  transport_->flush();
  std::int64_t until_ns =
      std::min(router_.next_timer_ns().value_or(INT64_MAX), transport_->next_timer_ns().value_or(INT64_MAX));
  if (nodes_.empty()) until_ns = std::min(until_ns, seek_at_ns_);
  return until_ns;
}

void SimClient::seek() {
  const std::int64_t now_ns = clock().monotonic_ns();
  if (now_ns < seek_at_ns_) return;
  seek_at_ns_ = now_ns + kSeekEvery.count();
  for (const std::string& address : addresses_) transport_->meet(address);
}

void SimClient::submit(kernel::RecordRef call, client::Router::OnEnd on_end) {
  touch_time();
  router_.submit(std::move(call), std::move(on_end));
}

}  // namespace epic::cluster::sim
