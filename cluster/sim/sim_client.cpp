#include "cluster/sim/sim_client.hpp"

#include <utility>

#include "transport/peers.hpp"

namespace epic::cluster::sim {

SimClient::SimClient(World& world, Network& network, Place place, std::vector<std::string> addresses,
                     nanoseconds call_timeout)
    : Process(world),
      network_(network),
      contact_(world.random() | 1, call_timeout, codec_, "the simulated world",
               {.now_ns = [this] { return clock().monotonic_ns(); },
                .list_addresses = [addresses = std::move(addresses)] { return addresses; },
                .read_last_words = [](const kernel::PeerAddress&) { return std::string(); },
                .on_change = [] {}}),
      transport_(std::make_unique<transport::Peers>(network.make_medium(*this, place), contact_.events())) {
  contact_.start(*transport_);
  after(nanoseconds(1), fingerprint_of("client"), [] {});
}

SimClient::~SimClient() {
  transport_->close();
  network_.on_process_gone(process_id());
}

std::int64_t SimClient::sleep() {
  contact_.begin_tick();
  return contact_.end_tick();
}

void SimClient::submit(kernel::RecordRef call, client::Router::OnEnd on_end) {
  contact_.submit(std::move(call), std::move(on_end));
}

}  // namespace epic::cluster::sim
