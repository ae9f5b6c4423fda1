// epic::testing::Node (epic/testing.hpp): a cluster of one node without faults, delays or late timers.
//
// Calls enter the node's kernel directly, so that what a method throws arrives as it was thrown. The supervisor stands
// still unless it has something to do: it and its node have nothing to say to each other then, and years of simulated
// time cost only what the entities do in them.

#include <stdexcept>
#include <string>
#include <vector>

#include "cluster/sim/cluster.hpp"
#include "codec/described_json.hpp"
#include "epic/testing.hpp"
#include "kernel/calls/outside_calls.hpp"
#include "protocol/control_fabric.hpp"

namespace epic::testing {

namespace simulated = cluster::sim;

namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kNode = 1;
constexpr std::uint32_t kShards = 8;
constexpr auto kWaitMax = 24h;   // on the node's clock; anything longer counts as never ending
constexpr auto kStartMax = 60s;  // … and for a start
constexpr auto kCatchUp = 10ms;  // the supervisor has then heard all that the node has said
constexpr auto kNever = 365 * 24h;
constexpr auto kNoDelay = 1ns;

Task<> no_setup(Pool) { co_return; }

}  // namespace

struct Node::Simulation {
  explicit Simulation(const ModuleInfo& the_module)
      : module(the_module),
        module_without_setup{module.abi_tag, module.entities, &no_setup},
        cluster({.nodes = kNode,
                 .shard_count = kShards,
                 .fabric = {.heartbeat = kNever},
                 .restart = {.delay_first = 1ms, .delay_max = 1ms},
                 .network = {.delay_max = kNoDelay},
                 .disk = {.write_delay_max = kNoDelay, .sync_delay_max = kNoDelay, .is_faultless = true},
                 .blocking_delay_max = kNoDelay,
                 .drift_ppm_max = 0,
                 .timer_lateness = 0ns,
                 .silence_max = kNever,
                 .on_node_log =
                     [this](kernel::LogLevel, std::string_view entity, std::string_view message) {
                       log.push_back({std::string(entity), std::string(message)});
                     }},
                module_without_setup) {}

  [[nodiscard]] simulated::World& world() { return cluster.world(); }
  [[nodiscard]] bool is_serving();
  [[nodiscard]] std::string list_errors() const;
  void await_node();
  void enter(const std::function<void(kernel::Kernel&)>& event);
  /// Lets the world run until `flag` is set. Throws a logic_error with `complaint` if it never is.
  void await(const bool& flag, const std::string& complaint);

  const ModuleInfo& module;
  ModuleInfo module_without_setup;
  std::vector<LogLine> log;
  simulated::Cluster cluster;
};

bool Node::Simulation::is_serving() {
  simulated::SimNode* const node = cluster.find_node(kNode);
  if (!cluster.is_ready() || node == nullptr || node->core() == nullptr) return false;
  const kernel::Routing& routing = node->core()->engine().kernel().routing();
  for (std::uint32_t shard = 0; shard < kShards; ++shard)
    if (!routing.is_active(kernel::ShardId{shard})) return false;
  return true;
}

/// A line each.
std::string Node::Simulation::list_errors() const {
  std::string errors;
  for (const std::string& line : cluster.log())
    if (line.contains(" error ")) errors += "\n  " + line;
  return errors;
}

/// Lets the supervisor run until the node has its shards.
void Node::Simulation::await_node() {
  cluster.find_supervisor()->go_on();
  if (!world().run_until([this] { return is_serving(); }, kStartMax)) {
    std::string why;  // is said again: the supervisor is started again and again
    world().run_until([&] { return !(why = list_errors()).empty(); }, kStartMax);
    throw std::logic_error("the node does not start:" + why);
  }
  world().run_for(kCatchUp);
  cluster.find_supervisor()->pause();
}

void Node::Simulation::enter(const std::function<void(kernel::Kernel&)>& event) {
  if (!is_serving()) await_node();  // it has died by itself
  simulated::SimNode& node = *cluster.find_node(kNode);
  world().enter(node.process_id(), [&] {
    node.core()->engine().touch_time();
    event(node.core()->engine().kernel());
  });
}

void Node::Simulation::await(const bool& flag, const std::string& complaint) {
  if (world().run_until([&flag] { return flag; }, kWaitMax)) return;
  if (cluster.find_node(kNode) != nullptr) throw std::logic_error(complaint);
  throw std::logic_error("the node died: " + (log.empty() ? std::string() : log.back().message));
}

Node::Node(const ModuleInfo& module) : simulation_(std::make_unique<Simulation>(module)) {
  simulation_->cluster.start();
  simulation_->await_node();
}
Node::~Node() = default;

void Node::run_to_end(detail::RecordPtr<detail::CallRecord> record) {
  const std::string name = std::string(record->callee ? record->callee->text : "a Ref that names nobody");
  const auto has_ended = std::make_shared<bool>(false);  // with the call, which may end after we have given up
  simulation_->enter([&](kernel::Kernel& kernel) {
    const std::chrono::nanoseconds timeout =
        record->timeout_ns != 0 ? std::chrono::nanoseconds(record->timeout_ns) : kernel.options().call_timeout;
    kernel.submit(std::move(record), timeout, [has_ended](kernel::Record&) { *has_ended = true; });
  });
  simulation_->await(*has_ended, "the call of " + name + " never ends");
}

void Node::run_setup() {
  struct Ending {
    bool has_come = false;
    std::exception_ptr thrown;
  };
  const auto ending = std::make_shared<Ending>();
  simulation_->enter([&](kernel::Kernel& kernel) {
    kernel.submit_task(kernel::run_setup(simulation_->module.setup), "setup", [ending](kernel::Record& ended) {
      *ending = {.has_come = true, .thrown = ended.failure ? ended.failure : ended.thrown()};
    });
  });
  simulation_->await(ending->has_come, "setup never ends");
  if (ending->thrown) std::rethrow_exception(ending->thrown);
}

void Node::pass(std::chrono::nanoseconds duration) { simulation_->world().run_for(duration); }

void Node::restart() {
  const auto has_ended = std::make_shared<bool>(false);
  simulation_->cluster.find_supervisor()->go_on();
  simulation_->cluster.request("restart", codec::describe_text(protocol::control::Restart::Request{.rolling = false}),
                               [has_ended](bool, const std::vector<std::string>&) { *has_ended = true; });
  simulation_->await(*has_ended, "the restart never ends");
  simulation_->await_node();
}

void Node::crash() {
  simulation_->cluster.crash(kNode);
  simulation_->await_node();
}

void Node::put_file(const std::string& path, std::string content) {
  simulation_->cluster.disk().files().put(path, std::move(content));
}
std::optional<std::string> Node::find_file(const std::string& path) const {
  return simulation_->cluster.disk().files().find(path);
}

std::vector<LogLine> Node::log() const { return simulation_->log; }

}  // namespace epic::testing
