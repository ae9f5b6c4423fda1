// epic::testing::Node: a simulated fabric of one node. The public header is epic/testing.hpp.

#include <stdexcept>

#include "codec/capnp_codec.hpp"
#include "epic/testing.hpp"
#include "sim/sim_fabric.hpp"

namespace epic::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kNode = 1;
constexpr auto kWaitMax = 24h;  // on the node's clock; anything longer counts as never ending

}  // namespace

struct Node::Simulation {
  explicit Simulation(const ModuleInfo& the_module)
      : module(the_module), fabric({.nodes = kNode, .shard_count = 8}, the_module, codec) {}

  const ModuleInfo& module;
  codec::CapnpCodec codec;
  sim::SimFabric fabric;
};

Node::Node(const ModuleInfo& module) : simulation_(std::make_unique<Simulation>(module)) {}
Node::~Node() = default;

void Node::run_to_end(detail::RecordPtr<detail::CallRecord> record) {
  const std::string name = std::string(record->callee ? record->callee->text : "a Ref that names nobody");
  bool is_ended = false;
  simulation_->fabric.submit(kNode, std::move(record), [&is_ended](detail::CallRecord&) { is_ended = true; });
  if (!simulation_->fabric.run_until([&is_ended] { return is_ended; }, kWaitMax))
    throw std::logic_error("the call of " + name + " never ends");
}

void Node::run_setup() {
  simulation_->fabric.run_task(kNode, kernel::run_setup(simulation_->module.setup), "setup", kWaitMax);
}

void Node::pass(std::chrono::nanoseconds duration) { simulation_->fabric.run_for(duration); }

void Node::restart() {
  if (!simulation_->fabric.stop(kNode, kWaitMax))
    throw std::logic_error("a method never ends, so the node cannot stop");
  simulation_->fabric.restart(kNode);
}

void Node::crash() {
  simulation_->fabric.kill(kNode);
  simulation_->fabric.restart(kNode);
}

std::vector<LogLine> Node::log() const {
  std::vector<LogLine> lines;
  for (const auto& line : simulation_->fabric.log()) lines.push_back({line.entity, line.message});
  return lines;
}

}  // namespace epic::testing
