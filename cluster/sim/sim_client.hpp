#pragma once
// SimClient: a program outside the fabric that makes calls, in a simulated world. The routing of its calls is the
// production code (client/router.hpp), and so is its protocol.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/router.hpp"
#include "cluster/sim/network.hpp"
#include "cluster/sim/world.hpp"
#include "codec/capnp_codec.hpp"
#include "epic/call.hpp"
#include "transport/transport.hpp"

namespace epic::cluster::sim {

class SimClient final : public Process {
 public:
  /// `addresses`: of the nodes that it looks for; the first that answers says where the others are.
  SimClient(World& world, Network& network, Place place, std::vector<std::string> addresses, nanoseconds call_timeout);
  ~SimClient() override;

  /// Starts a call; `on_end` gets its record when it has ended: take() returns the result or throws.
  template <class R>
  void start(Call<R>&& call, std::function<void(epic::detail::ResultRecord<R>&)> on_end) {
    submit(kernel::RecordRef(std::move(call).epic_take_record().detach()),
           [on_end = std::move(on_end)](kernel::RecordRef done) {
             on_end(static_cast<epic::detail::ResultRecord<R>&>(*done));
           });
  }
  /// The same for a call whose result type is unknown here.
  void submit(kernel::RecordRef call, client::Router::OnEnd on_end);
  [[nodiscard]] std::size_t count() const { return router_.count(); }

 protected:
  void wake() override { is_time_fresh_ = false; }
  [[nodiscard]] std::int64_t sleep() override;

 private:
  [[nodiscard]] transport::TransportEvents transport_events();
  void touch_time();
  void seek();

  Network& network_;
  std::vector<std::string> addresses_;
  codec::CapnpCodec codec_;
  std::unique_ptr<transport::Transport> transport_;
  client::Router router_;
  std::set<kernel::PeerAddress> nodes_;  // connected
  std::int64_t seek_at_ns_ = 0;
  bool is_time_fresh_ = false;
};

}  // namespace epic::cluster::sim
