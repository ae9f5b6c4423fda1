#pragma once
// SimClient: a program outside the fabric that makes calls, in a simulated world. How it finds the fabric and where its
// calls go is the production code (client/contact.hpp, client/router.hpp), and so is its protocol.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/contact.hpp"
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
  [[nodiscard]] std::size_t count() const { return contact_.count(); }

 protected:
  void wake() override {}
  [[nodiscard]] std::int64_t sleep() override;

 private:
  Network& network_;
  codec::CapnpCodec codec_;
  client::Contact contact_;
  std::unique_ptr<transport::Transport> transport_;
};

}  // namespace epic::cluster::sim
