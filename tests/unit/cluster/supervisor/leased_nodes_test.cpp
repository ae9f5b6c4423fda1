#include "cluster/supervisor/leased_nodes.hpp"

#include <catch2/catch.hpp>

#include "support/fake_host.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::cluster::test::FakeNode;
using epic::cluster::test::FakeProcess;
using epic::io::BootTime;
namespace protocol = epic::protocol;

namespace {

struct LeasedNodesFixture {
  LeasedNodes nodes;
  std::shared_ptr<FakeNode> node = std::make_shared<FakeNode>();
  std::unique_ptr<NodeProcess> process = nodes.adopt(std::make_unique<FakeProcess>(node));

  template <class Message>
  Message next() {
    REQUIRE_FALSE(node->inbox.empty());
    const auto message = std::get<Message>(node->inbox.front());
    node->inbox.pop_front();
    return message;
  }
};

}  // namespace

TEST_CASE("leased nodes: a node learns that it has a lease, and at once of the newest renewal", "[cluster]") {
  LeasedNodesFixture f;
  f.nodes.on_renewed(BootTime(100s));
  f.nodes.on_renewed(BootTime(105s));
  CHECK(f.node->inbox.empty());  // not before Configure, its first message

  protocol::Configure sent;
  sent.node = epic::kernel::NodeId{3};
  CHECK(f.process->try_send(sent));
  const auto configure = f.next<protocol::Configure>();
  CHECK(configure.node == epic::kernel::NodeId{3});
  CHECK(configure.has_lease);
  CHECK(f.next<protocol::Lease>().valid_until == 105s);

  CHECK(f.process->try_send(protocol::RunSetup{}));
  f.next<protocol::RunSetup>();
  f.nodes.on_renewed(BootTime(110s));
  CHECK(f.next<protocol::Lease>().valid_until == 110s);
  CHECK(f.node->inbox.empty());
}

TEST_CASE("leased nodes: one that is started after the lease was lost has none", "[cluster]") {
  LeasedNodesFixture f;
  f.nodes.on_renewed(BootTime(100s));
  f.nodes.on_lost();
  CHECK(f.process->try_send(protocol::Configure{}));
  CHECK(f.next<protocol::Configure>().has_lease);
  CHECK(f.node->inbox.empty());
}

TEST_CASE("leased nodes: nothing is sent to a process that has gone", "[cluster]") {
  LeasedNodesFixture f;
  CHECK(f.process->try_send(protocol::Configure{}));
  f.next<protocol::Configure>();
  f.process.reset();
  f.nodes.on_renewed(BootTime(100s));
  CHECK(f.node->inbox.empty());
  CHECK_FALSE(f.node->is_alive);
}
